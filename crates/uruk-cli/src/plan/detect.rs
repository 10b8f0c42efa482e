//! What a file is: sources by their ending, everything else by its first bytes. An ending is never believed over content
//! that has a magic number; a file that is nothing we take is an error that says what it is.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use uruk::format::is_universal;
use uruk_cc::Language;

use crate::Error;
use uruk_llvm_loader::is_ir;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A relocatable object, ELF, Mach-O or COFF for x86-64, or LLVM IR, which becomes one.
    Object,
    /// An archive, thin or not; Rust's `.rlib` is one.
    Archive,
    /// A shared ELF object; on Windows a DLL.
    Shared,
    /// Text, to be read as a linker script.
    Script,
    /// To be compiled.
    Source(Language),
    /// Functions in Cranelift's language.
    Clif,
}

/// ELF's class and machine: libraries of another one are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    class: u8,
    machine: u16,
}

impl Machine {
    /// What this command is built for, and so what it can load.
    pub const HOST: Machine = Machine { class: 2, machine: if cfg!(target_arch = "aarch64") { 183 } else { 62 } };
}

/// What the file is, and for which machine if it is ELF.
pub fn detect(path: &Path) -> Result<(Kind, Option<Machine>), Error> {
    let head = read_head(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let unsupported =
        |found: &str, advice| Error::Unsupported { path: path.to_owned(), found: found.to_owned(), advice };
    if head.starts_with(b"!<arch>\n") || head.starts_with(b"!<thin>\n") {
        return Ok((Kind::Archive, None));
    }
    if head.starts_with(b"\x7fELF") {
        let byte = |at: usize| head.get(at).copied().unwrap_or(0);
        let big_endian = byte(5) == 2;
        let half = |at: usize| {
            let bytes = [byte(at), byte(at + 1)];
            if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
        };
        let machine = Some(Machine { class: byte(4), machine: half(18) });
        return match half(16) {
            1 => Ok((Kind::Object, machine)),
            3 => Ok((Kind::Shared, machine)),
            2 => Err(unsupported("a linked program", "give the objects it was linked from")),
            4 => Err(unsupported("a core dump", "give objects, archives, libraries or sources")),
            other => Err(unsupported(&format!("an ELF file of type {other}"), "give a relocatable or shared one")),
        };
    }
    if head.starts_with(b"\xcf\xfa\xed\xfe") {
        return match head.get(12) {
            Some(1) => Ok((Kind::Object, None)),
            _ => Err(unsupported("a linked Mach-O file", "give the objects it was linked from")),
        };
    }
    if is_universal(&head) {
        let slice = universal_slice(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        return Ok((if slice.starts_with(b"!<arch>\n") { Kind::Archive } else { Kind::Object }, None));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if is_ir(&path.to_string_lossy(), &head) {
        return Ok((Kind::Object, None));
    }
    match &head[..] {
        [0xce, 0xfa, 0xed, 0xfe, ..] => {
            return Err(unsupported("a 32-bit Mach-O file", "compile for x86_64"));
        }
        [0xca, 0xfe, 0xba, 0xbe, ..] => return Err(unsupported("a Java class", "only native code can be run here")),
        [0, b'a', b's', b'm', ..] => return Err(unsupported("WebAssembly", "only native code can be run here")),
        [b'U', b'R', b'U', b'K', 0x8d, b'\n', ..] => {
            return Err(unsupported(
                "a mappable image, which is linked already",
                "`uruk run` takes it alone or with other images",
            ));
        }
        [0x64, 0x86, ..] => return Ok((Kind::Object, None)),
        [b'M', b'Z', ..] if cfg!(windows) && ending.eq_ignore_ascii_case("dll") => return Ok((Kind::Shared, None)),
        [b'M', b'Z', ..] if Language::of(ending).is_none() => {
            return Err(unsupported("a program or DLL for Windows", "give objects, or the DLL's import library"));
        }
        _ => {}
    }
    if let Some(language) = Language::of(ending) {
        return Ok((Kind::Source(language), None));
    }
    match ending {
        "clif" => Ok((Kind::Clif, None)),
        "h" | "hpp" => Err(unsupported("a header", "give the source that includes it")),
        _ if head.is_empty() => Err(unsupported("empty", "give an object, an archive, a library or a source")),
        _ if head.contains(&0) => {
            Err(unsupported("of no known kind", "give an object, an archive, a library or a source"))
        }
        _ => Ok((Kind::Script, None)),
    }
}

/// The first bytes of a universal file's first slice, whichever that is: they are all of one kind.
fn universal_slice(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut head = [0; 24];
    file.read_exact(&mut head)?;
    let word = |at: usize| u64::from(u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    // Wide files have offsets of eight bytes at the same place.
    let offset = if head[3] == 0xbf { word(16) << 32 | word(20) } else { word(16) };
    file.seek(SeekFrom::Start(offset))?;
    let mut slice = Vec::new();
    file.take(8).read_to_end(&mut slice)?;
    Ok(slice)
}

fn read_head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, content: &[u8], want: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let got = match detect(&path) {
                Ok((kind, _)) => format!("{kind:?}"),
                Err(error) => error.to_string().replace(&format!("{}/", folder.path().display()), ""),
            };
            assert_eq!(got, want);
        };
        let elf = |kind: u8| [&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"[..], &[kind, 0, 62, 0]].concat();
        check("a.c", &elf(1), "Object");
        check("a.o", &elf(3), "Shared");
        check("a", &elf(2), "`a` is a linked program; give the objects it was linked from");
        check("a.o", b"!<thin>\n", "Archive");
        check("x.rlib", b"!<arch>\nrest", "Archive");
        check("a.cc", b"int x;", "Source(Cxx)");
        check("a.F90", b"end", "Source(Fortran)");
        check("a.so", b"INPUT(x)", "Script");
        check("a.o", b"BC\xc0\xde", "Object");
        check("a.obj", b"\x64\x86\0\0", "Object");
        check("a.dll", b"MZ", "`a.dll` is a program or DLL for Windows; give objects, or the DLL's import library");
        check("a.ll", b"define", "Object");
        check("a.clif", b"function %f() {}", "Clif");
        check("a.o", b"", "`a.o` is empty; give an object, an archive, a library or a source");
        check("a.o", b"\0\0", "`a.o` is of no known kind; give an object, an archive, a library or a source");
        let image =
            "`a.o` is a mappable image, which is linked already; `uruk run` takes it alone or with other images";
        check("a.o", b"URUK\x8d\n\x1a\r\0", image);
        check("t.o", b"\x7fELF", "`t.o` is an ELF file of type 0; give a relocatable or shared one");
        assert!(matches!(detect(&folder.path().join("none.c")), Err(Error::Unreadable { .. })));
    }
}
