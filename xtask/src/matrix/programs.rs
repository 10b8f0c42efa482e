//! The rows of the matrix: programs, as data. A new program costs a row and its source.
//!
//! Sources are names of files in tests/programs, or `PACKAGE:PATH` for a file of a source package; `PATH` may end in
//! `/*.c`. In arguments, `{programs}` is the folder of the sources.
//! In libraries, `file:NAME` is where the compiler finds the file NAME.

use crate::paths;

use super::flags::{CXX, CXX_ALL, Compiler, FEW, LUA, NO_BITCODE, ONE, PROMISED, SIX, TLS};

/// What `uruk run` must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The same as the program linked natively, by default and with `-static`.
    Native,
    /// The same as the program linked natively by default: it cannot be linked statically, or does something else then.
    NativeDynamic,
    /// The same as the program linked with `-static` only.
    NativeStatic,
    /// The same as `NativeDynamic`, or a refusal: status 125 and an explanation.
    NativeOrRefused,
    /// Status 125 and a message that holds each of these.
    LinkError(&'static [&'static str]),
}

/// A program: what it is made of, and what is expected of it.
pub struct Program {
    /// The name in reports; unique.
    pub name: &'static str,
    /// Its sources.
    pub sources: &'static [&'static str],
    /// Flags that all its sources need.
    pub flags: &'static [&'static str],
    /// Libraries, for the native link and for Uruk.
    pub libs: &'static [&'static str],
    /// Arguments of the native link only.
    pub native: &'static [&'static str],
    /// Libraries and options for Uruk only.
    pub uruk: &'static [&'static str],
    /// Its arguments.
    pub args: &'static [&'static str],
    /// Additional environment; `{run}` is a path that this run alone uses.
    pub env: &'static [(&'static str, &'static str)],
    /// The compilers it is compiled with.
    pub compilers: &'static [Compiler],
    /// The sets of flags it is always compiled with.
    pub ci: &'static [&'static str],
    /// The sets of flags it is compiled with besides when all are asked for.
    pub all: &'static [&'static str],
    /// What is expected.
    pub expect: Expect,
}

use Compiler::{Clang, Gcc, Gfortran, Rustc};

const C: Program = Program {
    name: "",
    sources: &[],
    flags: &[],
    libs: &[],
    native: &[],
    uruk: &[],
    args: &[],
    env: &[],
    compilers: &[Gcc, Clang],
    ci: FEW,
    all: PROMISED,
    expect: Expect::Native,
};
const CPP: Program = Program { uruk: &["-lstdc++"], ..C };
const DYNAMIC: Program = Program { expect: Expect::NativeDynamic, ..C };

const LUA_SOURCES: &[&str] = &["lua/lua_main.c", "lua:lua-5.4.9/*.c"];
const LUA_ARGS: &[&str] = &["{programs}/lua/script.lua", "7"];
const ZLIB_SOURCES: &[&str] = &["zlib_main.c", "zlib:src/zlib/*.c"];
const ZSTD_SOURCES: &[&str] =
    &["zstd_main.c", "zstd:zstd/lib/common/*.c", "zstd:zstd/lib/compress/*.c", "zstd:zstd/lib/decompress/*.c"];
const SQLITE_FLAGS: &[&str] = &["-DSQLITE_OMIT_LOAD_EXTENSION", "-DSQLITE_THREADSAFE=1", "-w"];
/// GNU ld gives an IFUNC two addresses.
const LLD: &[&str] = &["-fuse-ld=lld", "-B/usr/lib/llvm-22/bin"];
const CXX_SOURCES: &[&str] = &["cxx_main.cpp", "cxx_other.cpp"];
const CXX_ARCHIVES: &[&str] = &["file:libstdc++.a", "file:libm.a", "file:libgcc_eh.a"];

/// Programs that show one thing, which is the name of the row in README.md.
pub struct Group {
    /// What they show.
    pub name: &'static str,
    /// The programs.
    pub programs: &'static [Program],
}

#[rustfmt::skip]
pub const GROUPS: &[Group] = &[
    Group { name: "real programs", programs: &[
        Program { name: "lua",    sources: LUA_SOURCES, libs: &["-lm"], args: LUA_ARGS, flags: &["-w"], ci: LUA, ..C },
        Program { name: "sqlite", sources: &["sqlite_main.c", "sqlite:sqlite3/sqlite3.c"], flags: SQLITE_FLAGS, libs: &["-lm", "-lpthread"], ci: SIX, ..C },
        Program { name: "zstd",   sources: ZSTD_SOURCES, flags: &["-DZSTD_DISABLE_ASM", "-w"], ci: SIX, ..C },
        Program { name: "zlib",   sources: ZLIB_SOURCES, flags: &["-w", "-DHAVE_UNISTD_H"], ..C },
    ] },
    Group { name: "the distribution's archives instead of its shared libraries", programs: &[
        Program { name: "libz.a",      sources: &["zlib_main.c"], libs: &["file:libz.a"], flags: &["-w"], ..C },
        Program { name: "libm.a",      sources: LUA_SOURCES, uruk: &["file:libm.a"], native: &["-lm"], expect: Expect::NativeStatic, args: LUA_ARGS, flags: &["-w"], ci: &["none", "-fno-pic"], ..C },
        Program { name: "libstdc++.a", sources: CXX_SOURCES, uruk: CXX_ARCHIVES, args: &["word"], ci: &["none", "-fno-pic"], all: CXX, expect: Expect::NativeStatic, ..C },
    ] },
    Group { name: "languages", programs: &[
        Program { name: "c++",     sources: CXX_SOURCES, args: &["word"], ci: CXX, all: CXX_ALL, ..CPP },
        Program { name: "rust",    sources: &["rust_main.rs"], libs: &["-lm"], args: &["word"], compilers: &[Rustc], ci: &["rustc", "rustc debug", "rustc source"], all: &[], ..DYNAMIC },
        Program { name: "fortran", sources: &["fortran.f90"], uruk: &["file:libgfortran.so", "-lm"], args: &["word"], compilers: &[Gfortran], ci: &["gfortran", "gfortran -O2 -fPIC"], all: &[], ..C },
        Program { name: "libgfortran.a", sources: &["fortran.f90"], uruk: &["file:libgfortran.a", "file:libquadmath.a", "-lm"], args: &["word"], compilers: &[Gfortran], ci: &["gfortran"], all: &[], ..C },
    ] },
    Group { name: "the process and its end", programs: &[
        Program { name: "hello",      sources: &["hello.c"], args: &["one", "", "-- two"], env: &[("URUK_TEST", "1")], ..C },
        Program { name: "atexit",     sources: &["atexit.c"], ..C },
        Program { name: "quick_exit", sources: &["quick_exit.c"], ..C },
        Program { name: "abort",      sources: &["abort.c"], ..C },
        Program { name: "fork",       sources: &["fork.c", "fork_other.c"], ci: TLS, ..C },
        Program { name: "runtime",    sources: &["runtime.c"], libs: &["-lm", "-lpthread"], ..C },
        Program { name: "order",      sources: &["order.c", "order_other.c", "order.S"], ..C },
        Program { name: "dlsym",      sources: &["dlsym.c"], native: &["-rdynamic"], ..DYNAMIC },
    ] },
    Group { name: "symbols and sections", programs: &[
        Program { name: "ifunc",      sources: &["ifunc.c", "ifunc_other.c"], native: LLD, ..DYNAMIC },
        Program { name: "weak",       sources: &["weak.c", "weak_other.c"], ..C },
        Program { name: "common",     sources: &["common.c", "common_other.c"], flags: &["-fcommon"], ..C },
        Program { name: "bounds",     sources: &["bounds.c", "bounds_other.c"], ..C },
        Program { name: "align",      sources: &["align.c"], ..C },
        Program { name: "absolute",   sources: &["absolute.c", "absolute.S"], ..C },
        Program { name: "sections",   sources: &["sections.c", "sections.S"], ci: ONE, all: &["-fno-pic"], ..C },
    ] },
    Group { name: "threads, signals, unwinding", programs: &[
        Program { name: "tls",     sources: &["tls.c", "tls_other.c"], libs: &["-lpthread"], ci: TLS, ..C },
        Program { name: "setjmp",  sources: &["setjmp.c"], ..C },
        Program { name: "sigalt",  sources: &["sigalt.c"], libs: &["-lpthread"], flags: &["-w"], ..C },
        Program { name: "sigexc",  sources: &["sigexc.cpp"], flags: &["-fnon-call-exceptions"], ..CPP },
        Program { name: "cancel",  sources: &["cancel.cpp"], libs: &["-lpthread"], expect: Expect::NativeDynamic, ..CPP },
    ] },
    Group { name: "functions of the libraries that the program replaces", programs: &[
        Program { name: "opnew",  sources: &["opnew.cpp"], ci: NO_BITCODE, ..CPP },
        Program { name: "malloc", sources: &["malloc.c"], expect: Expect::NativeOrRefused, ..C },
    ] },
    Group { name: "instrumented objects, with their runtimes on the command line", programs: &[
        Program { name: "asan",       sources: &["asan.c"], flags: &["-fsanitize=address"], native: &["-fsanitize=address"], compilers: &[Clang], ci: ONE, all: &["-fPIC", "-O0"],
                  uruk: &["file:libclang_rt.asan-x86_64.a"], env: &[("ASAN_OPTIONS", "detect_leaks=0")], ..DYNAMIC },
        Program { name: "asan gcc",   sources: &["asan.c"], flags: &["-fsanitize=address", "-w"], native: &["-fsanitize=address"], compilers: &[Gcc], ci: ONE, all: &["-fPIC", "-O0"],
                  uruk: &["file:libasan.so"], env: &[("ASAN_OPTIONS", "detect_leaks=0:verify_asan_link_order=0")], ..DYNAMIC },
        Program { name: "profile",    sources: &["profile.c"], flags: &["-fprofile-instr-generate"], native: &["-fprofile-instr-generate"], compilers: &[Clang], ci: FEW,
                  uruk: &["file:libclang_rt.profile-x86_64.a"], env: &[("LLVM_PROFILE_FILE", "{run}.profraw")], ..C },
    ] },
    Group { name: "mistakes, which are refused with an explanation", programs: &[
        Program { name: "missing",   sources: &["missing.c"], ci: ONE, all: &[], expect: Expect::LinkError(&["first_missing_name", "second_missing_name", "missing"]), ..C },
        Program { name: "duplicate", sources: &["duplicate.c", "duplicate_other.c"], ci: ONE, all: &[], expect: Expect::LinkError(&["defined_twice", "duplicate_other"]), ..C },
        Program { name: "bitcode",   sources: &["hello.c"], flags: &["-flto"], compilers: &[Gcc], ci: ONE, all: &[], expect: Expect::LinkError(&["-ffat-lto-objects"]), ..C },
    ] },
];

impl Program {
    /// Whether a source is C++, so that the C++ driver links it.
    pub fn is_cxx(&self) -> bool {
        self.sources.iter().any(|source| source.ends_with(".cpp"))
    }

    /// Its arguments, with folders filled in.
    pub fn arguments(&self) -> Vec<String> {
        let programs = paths::programs().to_string_lossy().into_owned();
        self.args.iter().map(|argument| argument.replace("{programs}", &programs)).collect()
    }
}
