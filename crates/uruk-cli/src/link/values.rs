//! Values of flags.

use std::path::PathBuf;

/// `NAME=ADDRESS`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absolute {
    /// The symbol.
    pub name: String,
    /// Its address.
    pub address: u64,
}

/// A symbol, perhaps of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qualified {
    /// The library, if it is not the current one.
    pub library: Option<String>,
    /// The symbol.
    pub name: String,
}

/// `[LIB:]A=[LIB:]B`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The new name.
    pub alias: Qualified,
    /// What it stands for.
    pub target: Qualified,
}

/// `SECTION,FILE[@SYMBOL=OFFSET,...]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The section's name.
    pub section: String,
    /// Where its bytes are.
    pub file: PathBuf,
    /// Symbols with their offsets.
    pub symbols: Vec<(String, u64)>,
}

/// The block that everything is laid out in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slab {
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its address.
    pub address: Option<u64>,
    /// Its page size in bytes.
    pub page: Option<u64>,
}

/// A number in C's notation.
pub fn number(text: &str) -> Option<u64> {
    match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

/// A size in bytes: a number of `Kb`, `Mb` or `Gb`, of Kb if nothing is said.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits);
    let unit = match unit {
        "Kb" | "" => 1 << 10,
        "Mb" => 1 << 20,
        "Gb" => 1u64 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

pub fn absolute(text: &str) -> Option<Absolute> {
    let (name, address) = text.split_once('=')?;
    let name = Some(name).filter(|name| !name.is_empty())?.to_string();
    Some(Absolute { name, address: number(address)? })
}

pub fn alias(text: &str) -> Option<Alias> {
    let (alias, target) = text.split_once('=')?;
    Some(Alias { alias: qualified(alias)?, target: qualified(target)? })
}

fn qualified(text: &str) -> Option<Qualified> {
    let (library, name) = match text.split_once(':') {
        Some((library, name)) => (Some(library.to_string()), name),
        None => (None, text),
    };
    (!name.is_empty()).then(|| Qualified { library, name: name.to_string() })
}

pub fn created(text: &str) -> Option<Created> {
    let (place, symbols) = text.split_once('@').map_or((text, None), |(place, symbols)| (place, Some(symbols)));
    // A Mach-O section's name has a comma of its own.
    let (section, file) = place.rsplit_once(',').filter(|(section, file)| !section.is_empty() && !file.is_empty())?;
    let symbols = symbols.into_iter().flat_map(|symbols| symbols.split(',')).map(|symbol| {
        let absolute = absolute(symbol)?;
        Some((absolute.name, absolute.address))
    });
    Some(Created { section: section.to_string(), file: file.into(), symbols: symbols.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64Kb"), Some(64 << 10));
        assert_eq!((size("2Mb"), size("1Gb"), size("3")), (Some(2 << 20), Some(1 << 30), Some(3 << 10)));
        assert_eq!((size("1Xb"), size("Kb"), size("99999999999Gb")), (None, None, None));
    }

    #[test]
    fn numbers_are_those_of_c() {
        assert_eq!([number("0x1f"), number("010"), number("10"), number("0")], [Some(31), Some(8), Some(10), Some(0)]);
        assert_eq!([number("zz"), number(""), number("0x"), number("-1")], [None; 4]);
    }

    #[test]
    fn names_and_places() {
        assert_eq!(absolute("f=0x10"), Some(Absolute { name: "f".into(), address: 16 }));
        assert_eq!((absolute("f"), absolute("=1"), absolute("f=x")), (None, None, None));
        let name =
            |library: Option<&str>, name: &str| Qualified { library: library.map(Into::into), name: name.into() };
        assert_eq!(alias("a=x:b"), Some(Alias { alias: name(None, "a"), target: name(Some("x"), "b") }));
        assert_eq!((alias("a"), alias("a="), alias("x:=b")), (None, None, None));
        let made = created("__DATA,__d,f.bin@a=0,b=0x10").unwrap();
        assert_eq!((&*made.section, made.file.to_str(), made.symbols.len()), ("__DATA,__d", Some("f.bin"), 2));
        assert_eq!(created(".d,f").unwrap().symbols, []);
        assert_eq!((created(".d"), created(",f"), created(".d,"), created(".d,f@x")), (None, None, None, None));
    }
}
