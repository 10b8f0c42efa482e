//! What shared libraries define: their names, versions and kinds, so that an image asks for what it was made with.
//!
//! Source: gABI, "Dynamic Linking"; LSB 5.0 core, "Symbol Versioning".

use crate::error::Error;
use crate::proof::Mappings;
use foldhash::HashMap;
use object::elf::{STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_OBJECT, STT_TLS, STV_HIDDEN, STV_INTERNAL};
use object::read::elf::{Dyn, ElfFile64, Sym};
use object::{Endianness, Object, elf};
use std::path::{Path, PathBuf};
use uruk_jitlink::graph::SymbolKind;

/// A shared library.
#[derive(Debug)]
pub struct Library {
    name: String,
    path: Option<PathBuf>,
    is_needed: bool,
    build_id: Option<Vec<u8>>,
    /// It is the image of this digest.
    base: Option<[u8; 32]>,
    /// By name: each version, and whether it is what a reference without a version gets.
    symbols: HashMap<String, Vec<(LibrarySymbol, bool)>>,
}

/// What a library defines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibrarySymbol {
    /// Its version, if the library has versions.
    pub version: Option<String>,
    /// What it is.
    pub kind: SymbolKind,
    /// Bytes of it; 0 if the library does not say.
    pub size: u64,
}

impl Library {
    /// Reads a library's symbols from a file.
    pub fn open(path: &Path) -> Result<Library, Error> {
        let unreadable = |reason: String| Error::Library { library: path.display().to_string(), reason };
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Library { path: Some(path.into()), ..Library::read(&file_name, &bytes)? })
    }

    /// The same of bytes. It goes by the name that it has for loaders (`DT_SONAME`), or by this one.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Library, Error> {
        read(name, bytes).map_err(|error| Error::Library { library: name.into(), reason: error.to_string() })
    }

    /// The shared libraries that this process has loaded, the C library and the loader last: others may have better versions of
    /// what these define.
    pub fn of_this_process() -> Result<Vec<Library>, Error> {
        let unreadable = |error: std::io::Error| Error::Library { library: "*".into(), reason: error.to_string() };
        let mappings = Mappings::of_this_process().map_err(unreadable)?;
        let is_library = |path: &&str| path.starts_with('/') && path.contains(".so");
        // Of a file that has been replaced the one is read that has its name now.
        let paths = mappings.iter().map(|mapping| mapping.name.strip_suffix(" (deleted)").unwrap_or(&mapping.name));
        let mut paths: Vec<&str> = paths.filter(is_library).collect();
        let is_system = |path: &str| u8::from(path.contains("/libc.so")) + 2 * u8::from(path.contains("/ld-linux"));
        paths.sort_by_key(|path| (is_system(path), *path));
        paths.dedup();
        // What is mapped may also be a file of data.
        let libraries = paths.into_iter().map(|path| Library::open(Path::new(path)));
        Ok(libraries.filter_map(Result::ok).collect())
    }

    /// An image that another one builds on, with what it defines: names, kinds and sizes.
    pub(crate) fn of_image(digest: [u8; 32], symbols: impl Iterator<Item = (String, SymbolKind, u64)>) -> Library {
        let symbol = |(name, kind, size)| (name, vec![(LibrarySymbol { version: None, kind, size }, true)]);
        Library {
            name: "the image that it builds on".into(),
            path: None,
            is_needed: false,
            build_id: None,
            base: Some(digest),
            symbols: symbols.map(symbol).collect(),
        }
    }

    /// It is there when the image is loaded, as the program is that loads a shared object: nothing asks for it.
    pub fn already_there(self) -> Library {
        Library { is_needed: false, ..self }
    }

    /// Whether the system's loader has to load it for an image that uses it.
    pub fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Its file, if it was read from one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What tells its build from others (`NT_GNU_BUILD_ID`), if it has that.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    /// The digest of the image that it is, if it is one and no library.
    pub(crate) fn base(&self) -> Option<[u8; 32]> {
        self.base
    }

    /// The name that loaders find it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What a reference gets: of this version, or of the one that is the default.
    pub fn find(&self, name: &str, version: Option<&str>) -> Option<&LibrarySymbol> {
        let known = self.symbols.get(name)?;
        let fits = |(symbol, default): &&(LibrarySymbol, bool)| match version {
            Some(_) => symbol.version.as_deref() == version,
            None => *default,
        };
        known.iter().find(fits).map(|(symbol, _)| symbol)
    }
}

fn read(name: &str, bytes: &[u8]) -> object::Result<Library> {
    let file = ElfFile64::<Endianness>::parse(bytes)?;
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let table = sections.symbols(endian, bytes, elf::SHT_DYNSYM)?;
    let versions = sections.versions(endian, bytes)?;
    let mut library = Library {
        name: name.into(),
        path: None,
        is_needed: true,
        build_id: file.build_id()?.map(<[u8]>::to_vec),
        base: None,
        symbols: HashMap::default(),
    };
    if let Some((entries, link)) = sections.dynamic(endian, bytes)? {
        let strings = sections.strings(endian, bytes, link)?;
        let soname = entries.iter().find(|entry| entry.tag(endian) == elf::DT_SONAME);
        if let Some(soname) = soname.and_then(|entry| strings.get(u32::try_from(entry.val(endian)).ok()?).ok()) {
            library.name = String::from_utf8_lossy(soname).into_owned();
        }
    }
    for (index, symbol) in table.enumerate() {
        let hidden = [STV_HIDDEN, STV_INTERNAL].contains(&symbol.st_visibility());
        if symbol.is_undefined(endian) || symbol.st_bind() == STB_LOCAL || hidden {
            continue;
        }
        let (mut version, mut default) = (None, true);
        if let Some(versions) = &versions {
            let number = versions.version_index(endian, index);
            version = versions.version(number.index())?.map(|known| String::from_utf8_lossy(known.name()).into_owned());
            default = !number.is_hidden();
        }
        let kind = match symbol.st_type() {
            STT_FUNC => SymbolKind::Function,
            STT_OBJECT => SymbolKind::Object,
            STT_TLS => SymbolKind::ThreadLocal,
            STT_GNU_IFUNC => SymbolKind::Indirect,
            _ => SymbolKind::None,
        };
        let name = String::from_utf8_lossy(table.symbol_name(endian, symbol)?).into_owned();
        library
            .symbols
            .entry(name)
            .or_default()
            .push((LibrarySymbol { version, kind, size: symbol.st_size(endian) }, default));
    }
    Ok(library)
}
