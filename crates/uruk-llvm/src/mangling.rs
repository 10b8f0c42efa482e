//! From names in IR to names that a linker sees: the prefix that the data layout asks for.
//!
//! Source: LLVM language reference, "Data Layout", the item `m:<mangling>`.

/// How a target spells names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mangling {
    prefix: Option<u8>,
}

impl Mangling {
    /// What a data layout says.
    pub fn of(layout: &str) -> Mangling {
        // Mach-O and 32-bit COFF.
        let underscored = layout.split('-').any(|item| matches!(item, "m:o" | "m:x"));
        Mangling { prefix: underscored.then_some(b'_') }
    }

    /// What comes before every name.
    pub fn prefix(self) -> Option<u8> {
        self.prefix
    }

    /// The linker's name for a name in IR. One that starts with the byte 1 is meant as the rest of it.
    pub fn mangle(self, name: &[u8]) -> Vec<u8> {
        match name {
            [1, rest @ ..] => rest.to_vec(),
            name => self.prefix.into_iter().chain(name.iter().copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mangling;

    #[test]
    fn the_layout_decides() {
        let check = |layout: &str, name: &[u8], expected: &[u8]| {
            assert_eq!(Mangling::of(layout).mangle(name), expected, "{layout}");
        };
        check("e-m:e-p270:32:32-i64:64", b"main", b"main");
        check("e-m:o-i64:64-i128:128-n32:64-S128", b"main", b"_main");
        check("e-m:x-p:32:32", b"f", b"_f");
        check("e-m:w-i64:64", b"f", b"f");
        check("", b"f", b"f");
        check("e-m:o", b"\x01_exact$NAME", b"_exact$NAME");
        assert_eq!(Mangling::of("e-m:o").prefix(), Some(b'_'));
    }
}
