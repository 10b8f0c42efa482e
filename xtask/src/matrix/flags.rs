//! The columns of the matrix: compilers and sets of flags, as data. A new set costs a row.

/// A compiler, which is also the driver of the native link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// GCC, for C, C++ and assembly.
    Gcc,
    /// Clang, for C, C++ and assembly.
    Clang,
    /// GNU Fortran.
    Gfortran,
    /// The Rust compiler of the toolchain in use.
    Rustc,
}

use Compiler::{Clang, Gcc, Gfortran, Rustc};

impl Compiler {
    /// The name in reports, and the program for everything but C++.
    pub fn name(self) -> &'static str {
        match self {
            Gcc => "gcc",
            Clang => "clang-22",
            Gfortran => "gfortran",
            Rustc => "rustc",
        }
    }

    /// The program that compiles and links C++.
    pub fn cxx(self) -> &'static str {
        match self {
            Gcc => "g++",
            Clang => "clang++-22",
            other => other.name(),
        }
    }
}

/// A set of flags that a program is compiled with, and what follows from it for the links.
pub struct FlagSet {
    /// The name in reports; unique.
    pub name: &'static str,
    /// Flags of the compiler.
    pub flags: &'static [&'static str],
    /// Flags of the compiler for what Uruk gets, besides.
    pub for_uruk: &'static [&'static str],
    /// Flags that the native link needs besides.
    pub link: &'static [&'static str],
    /// Options of `uruk run`.
    pub uruk: &'static [&'static str],
    /// The compilers that have these flags.
    pub compilers: &'static [Compiler],
    /// Hand the sources to `uruk run` instead of objects.
    pub from_source: bool,
    /// Hand the inputs to `uruk run` in a response file.
    pub response_file: bool,
    /// The system's linker can link such objects with `-static`. (GNU ld refuses 64-bit references to the C library's IFUNCs.)
    pub static_reference: bool,
}

const fn set(name: &'static str, flags: &'static [&'static str]) -> FlagSet {
    FlagSet {
        name,
        flags,
        for_uruk: &[],
        link: &[],
        uruk: &[],
        compilers: &[Gcc, Clang],
        from_source: false,
        response_file: false,
        static_reference: true,
    }
}

const NO_PIE: &[&str] = &["-no-pie"];
// A source of assembler has no bitcode.
const BITCODE: &[&str] = &["-emit-llvm", "-Wno-unused-command-line-argument"];
const LTO: &[&str] = &["-flto"];

/// Sets without `-O` of their own get `-O1`: real code, at a third of the compile time of `-O2`.
#[rustfmt::skip]
pub const FLAG_SETS: &[FlagSet] = &[
    set("none",                     &[]),
    set("-fPIC",                    &["-O1", "-fPIC"]),
    FlagSet { link: NO_PIE, ..set("-fno-pic", &["-O1", "-fno-pic"]) },
    set("-fPIE",                    &["-O1", "-fPIE"]),
    set("-O0",                      &["-O0"]),
    set("-O2 sections",             &["-O2", "-ffunction-sections", "-fdata-sections"]),
    set("-fno-plt",                 &["-O1", "-fno-plt"]),
    set("-mcmodel=medium",          &["-O1", "-mcmodel=medium"]),
    FlagSet { link: NO_PIE, ..set("-mcmodel=large", &["-O1", "-fno-pic", "-mcmodel=large"]) },
    FlagSet { static_reference: false, ..set("-mcmodel=large -fPIC", &["-O1", "-fPIC", "-mcmodel=large"]) },
    set("tls global-dynamic",       &["-O1", "-fPIC", "-ftls-model=global-dynamic"]),
    set("tls local-dynamic",        &["-O1", "-fPIC", "-ftls-model=local-dynamic"]),
    set("tls initial-exec",         &["-O1", "-fPIC", "-ftls-model=initial-exec"]),
    set("tls local-exec",           &["-O1", "-ftls-model=local-exec"]),
    set("tls gnu2",                 &["-O1", "-fPIC", "-mtls-dialect=gnu2"]),
    set("-fcommon",                 &["-O1", "-fcommon"]),
    set("-g -gz",                   &["-O1", "-g", "-gz"]),
    // Beyond the flags that compilers are usually given.
    FlagSet { link: &["-fuse-ld=lld"], compilers: &[Clang], ..set("crel", &["-O1", "-Wa,--crel,--allow-experimental-crel"]) },
    FlagSet { link: &["-fno-lto"], ..set("fat lto", &["-O1", "-flto", "-ffat-lto-objects"]) },
    // Bitcode, which `uruk run` compiles.
    FlagSet { for_uruk: BITCODE, compilers: &[Clang], ..set("bitcode -O0", &["-O0"]) },
    FlagSet { for_uruk: BITCODE, compilers: &[Clang], ..set("bitcode -O2", &["-O2"]) },
    FlagSet { for_uruk: LTO, uruk: &["-O2"], compilers: &[Clang], ..set("lto, uruk -O2", &["-O2"]) },
    FlagSet { uruk: &["--strict-wx"], ..set("strict-wx", &["-O1"]) },
    FlagSet { uruk: &["--gc-sections"], ..set("gc-sections", &["-O1", "-ffunction-sections", "-fdata-sections"]) },
    FlagSet { uruk: &["-j", "4"], ..set("-j 4", &["-O1"]) },
    FlagSet { response_file: true, ..set("@FILE", &["-O1"]) },
    FlagSet { from_source: true, compilers: &[Gcc], ..set("source", &[]) },
    FlagSet { compilers: &[Gfortran], ..set("gfortran", &["-O1"]) },
    FlagSet { compilers: &[Gfortran], ..set("gfortran -O2 -fPIC", &["-O2", "-fPIC"]) },
    FlagSet { compilers: &[Rustc], ..set("rustc", &["-Copt-level=1"]) },
    FlagSet { compilers: &[Rustc], ..set("rustc debug", &["-Copt-level=0", "-Cdebuginfo=2"]) },
    FlagSet { compilers: &[Rustc], from_source: true, ..set("rustc source", &[]) },
];

/// The flags that the project promises for every real program.
pub const PROMISED: &[&str] = &[
    "none",
    "-fPIC",
    "-fno-pic",
    "-fPIE",
    "-O0",
    "-O2 sections",
    "-fno-plt",
    "-mcmodel=medium",
    "-mcmodel=large",
    "-mcmodel=large -fPIC",
    "tls global-dynamic",
    "tls local-dynamic",
    "tls initial-exec",
    "tls local-exec",
    "tls gnu2",
    "-fcommon",
    "-g -gz",
];
/// What is not a compiler's flag, and flags beyond those.
const OPTIONS: &[&str] =
    &["crel", "fat lto", "bitcode -O0", "bitcode -O2", "lto, uruk -O2", "strict-wx", "gc-sections", "-j 4", "@FILE"];
/// Lua: everything.
pub const LUA: &[&str] = &joined::<{ PROMISED.len() + OPTIONS.len() }>(PROMISED, OPTIONS);
/// What large programs are built with where time is short.
pub const SIX: &[&str] = &["none", "-fPIC", "-fno-pic", "-O2 sections", "-mcmodel=large", "-g -gz", "bitcode -O0"];
/// What small programs are built with where time is short.
pub const FEW: &[&str] =
    &["none", "-fno-pic", "-O2 sections", "-mcmodel=large", "source", "bitcode -O0", "lto, uruk -O2"];
/// The same for programs that replace `operator new` and check that all blocks are their own. LLVM, which is in the process
/// where there is bitcode, has strings from before, and gives them back at exit through libstdc++.
pub const NO_BITCODE: &[&str] = &["none", "-fno-pic", "-O2 sections", "-mcmodel=large", "source"];
/// What programs with thread-local storage are built with.
pub const TLS: &[&str] = &[
    "none",
    "-fno-pic",
    "-O2 sections",
    "-mcmodel=large",
    "-mcmodel=large -fPIC",
    "tls global-dynamic",
    "tls local-dynamic",
    "tls initial-exec",
    "tls local-exec",
    "tls gnu2",
    "bitcode -O0",
    "bitcode -O2",
    "strict-wx",
    "gc-sections",
];
/// What C++ programs are built with.
pub const CXX: &[&str] = &[
    "none",
    "-fPIC",
    "-fno-pic",
    "-O2 sections",
    "-mcmodel=large",
    "-mcmodel=large -fPIC",
    "tls gnu2",
    "crel",
    "bitcode -O0",
    "bitcode -O2",
    "strict-wx",
    "gc-sections",
    "source",
];
/// And besides when all are asked for; a variable of libstdc++ is not in reach of the local models.
pub const CXX_ALL: &[&str] = &[
    "-fPIE",
    "-O0",
    "-fno-plt",
    "-mcmodel=medium",
    "tls global-dynamic",
    "tls initial-exec",
    "-fcommon",
    "-g -gz",
    "fat lto",
];
/// One object is enough.
pub const ONE: &[&str] = &["none"];

const fn joined<const LEN: usize>(
    first: &'static [&'static str],
    second: &'static [&'static str],
) -> [&'static str; LEN] {
    let mut all = [""; LEN];
    let mut index = 0;
    while index < LEN {
        all[index] = if index < first.len() { first[index] } else { second[index - first.len()] };
        index += 1;
    }
    all
}
