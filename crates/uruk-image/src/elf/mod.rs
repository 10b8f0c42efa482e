//! Executables and shared objects of ELF, written without a linker: the system's own loader does the rest.
//!
//! Data flow: graphs and libraries → one linked image → tables for the loader, as large as the image's words need → addresses → bytes.
//! Memory: headers and tables (read only), code, what is read only once it has been relocated (`PT_GNU_RELRO`), variables; pages of the
//! last two that nothing is relocated in stay the file's, and are shared by all processes.
//! Invariants: the same graphs and libraries give the same bytes.
//! Sources: gABI, "Program Loading and Dynamic Linking"; LSB 5.0 core, `.eh_frame_hdr`; psABIs of x86-64, AArch64 and RISC-V.

mod bytes;
mod dynamic_symbols;
mod layout;
mod relocations;
pub(crate) mod start;
mod tables;

pub(crate) use relocations::{format_of, machine};

use crate::closure::Share;
use crate::error::Error;
use crate::library::Library;
use crate::link::{Link, Wanted};
use layout::Image;
use uruk_jitlink::graph::LinkGraph;

/// The section that says how much each root keeps.
pub(crate) const ROOTS: &str = ".uruk.roots";

/// What is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ElfKind {
    /// A program.
    Executable {
        /// The function that is called with its arguments.
        main: String,
        /// Where it lies, if not wherever the system puts it: a multiple of 64 KiB, and of whatever something in it is aligned to. Its own
        /// pointers need no relocation then.
        address: Option<u64>,
    },
    /// A shared object.
    SharedObject {
        /// What loaders know it by.
        name: Option<String>,
    },
}

/// How an image is written.
#[derive(Clone, Debug)]
pub struct ElfOptions<'a> {
    /// What is made.
    pub kind: ElfKind,
    /// Where symbols are that the image does not define, in the order in which the loader is to look for them. The image needs those
    /// of them that it uses.
    pub libraries: &'a [Library],
    /// What is kept, with all that it refers to; everything that others can see, if not given.
    pub roots: Option<&'a [String]>,
    /// Own pointers have short relocations (`DT_RELR`), which loaders know since 2022: glibc 2.36, musl 1.2.4.
    pub short_relocations: bool,
    /// The loader, if not the usual one of the architecture.
    pub interpreter: Option<&'a str>,
    /// Folders where the loader looks for libraries before it does in the system's (`DT_RUNPATH`), with `:` between them; `$ORIGIN`
    /// stands for the folder where the image is.
    pub run_path: Option<&'a str>,
    /// How much each root keeps, for who looks at the image ([`Summary`](crate::Summary)). Nothing of it is loaded.
    pub shares: &'a [Share],
    /// Names that only debuggers and symbolizers look at, and debug information, are left out.
    pub strip: bool,
}

impl<'a> ElfOptions<'a> {
    /// A program that begins with this function, and uses these libraries.
    pub fn executable(main: &str, libraries: &'a [Library]) -> ElfOptions<'a> {
        ElfOptions::new(ElfKind::Executable { main: main.into(), address: None }, libraries)
    }

    /// A shared object that uses these libraries.
    pub fn shared_object(libraries: &'a [Library]) -> ElfOptions<'a> {
        ElfOptions::new(ElfKind::SharedObject { name: None }, libraries)
    }

    fn new(kind: ElfKind, libraries: &'a [Library]) -> ElfOptions<'a> {
        ElfOptions {
            kind,
            libraries,
            roots: None,
            short_relocations: true,
            interpreter: None,
            run_path: None,
            shares: &[],
            strip: false,
        }
    }
}

/// Writes graphs as an executable or a shared object.
///
/// References that the image itself defines go there, whatever libraries define, as in the running program. What it defines is visible
/// to others unless it is hidden.
pub fn write_elf(mut graphs: Vec<LinkGraph>, options: &ElfOptions<'_>) -> Result<Vec<u8>, Error> {
    let Some(first) = graphs.first() else { return Err(Error::Empty) };
    let format = first.format;
    if options.libraries.iter().any(|library| library.base().is_some()) {
        return Err(Error::Option("only a mappable image builds on another one".into()));
    }
    let machine = machine(format)
        .ok_or_else(|| Error::Option(format!("{} has no executables and shared objects here", format.name)))?;
    let (main, fixed) = match &options.kind {
        ElfKind::Executable { main, address } => (Some(main.as_str()), *address),
        ElfKind::SharedObject { .. } => (None, None),
    };
    if fixed.is_some_and(|address| !address.is_multiple_of(0x1_0000) || address == 0 || 1 << 46 < address) {
        return Err(Error::Option("a fixed address is a multiple of 64 KiB above 0 and below 64 TiB".into()));
    }
    if main.is_some() || graphs.iter().any(start::uses_exit_functions) {
        graphs.extend(start::graph(format, main).transpose()?);
    }
    let link = Link::new(Wanted {
        graphs,
        roots: options.roots,
        entry: main.map(|_| start::ENTRY),
        libraries: options.libraries,
        executable: main.is_some(),
        fixed,
        mapped: false,
    })?;
    let address = fixed.unwrap_or(0);
    link.check_address(address)?;
    Image::new(link, machine, options, address)?.write()
}
