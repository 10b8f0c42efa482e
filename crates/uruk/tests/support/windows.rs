//! Objects for Windows, compiled from sources in the tests.

use std::process::Command;
use uruk::Input;

/// A compiler for Windows: its commands for C and C++, and their options.
#[derive(Debug)]
pub struct Compiler {
    c: &'static str,
    cpp: &'static str,
    options: &'static [&'static str],
}

/// For MSVC's ABI. C++ without what only Microsoft's library has.
pub const CLANG: Compiler = Compiler {
    c: "clang-22",
    cpp: "clang-22",
    options: &["--target=x86_64-pc-windows-msvc", "-fno-rtti", "-Xclang", "-fno-threadsafe-statics"],
};

/// For MinGW's.
pub const MINGW: Compiler = Compiler {
    c: "x86_64-w64-mingw32-gcc",
    cpp: "x86_64-w64-mingw32-g++",
    options: &["-fno-rtti", "-fno-threadsafe-statics", "-fno-exceptions"],
};

/// Compiles a source for the language that the file name's ending says.
pub fn compile(compiler: &Compiler, name: &str, source: &str, options: &[&str]) -> Input {
    let folder = tempfile::Builder::new().prefix("uruk-test").tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, source).expect("a temporary file");
    let object = folder.path().join("object");
    let is_cpp = name.ends_with(".cpp");
    // Options that only one of the languages has are taken without a word.
    let command = if is_cpp { compiler.cpp } else { compiler.c };
    let status = Command::new(command)
        .args(compiler.options)
        .args(["-w", "-O1", "-c"])
        .args(options)
        .arg(&path)
        .arg("-o")
        .arg(&object)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{command} compiles {name}");
    Input::from_bytes(name.to_string(), std::fs::read(object).expect("the object was just written"))
}

/// An object for MSVC's ABI, of a source in assembly.
pub fn assemble(source: &str) -> Input {
    compile(&CLANG, "assembly.s", source, &[])
}

/// A library that imports what a module definition file says, made by a tool that is called like `dlltool`.
pub fn import_library(tool: &str, exports: &str) -> Input {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (definition, library) = (folder.path().join("a.def"), folder.path().join("liba.a"));
    std::fs::write(&definition, exports).expect("a temporary file");
    let machine: &[&str] = if tool.starts_with("llvm") { &["-m", "i386:x86-64"] } else { &[] };
    let status = Command::new(tool).args(machine).arg("-d").arg(&definition).arg("-l").arg(&library).status();
    assert!(status.is_ok_and(|status| status.success()), "{tool} makes a library");
    Input::from_bytes("liba.a", std::fs::read(library).expect("the library was just written"))
}

/// A library with one member.
pub fn library(object: &Input) -> Input {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (member, library) = (folder.path().join("member.obj"), folder.path().join("library.lib"));
    std::fs::write(&member, &**object).expect("a temporary file");
    let status = Command::new("llvm-ar-22").arg("rcs").args([&library, &member]).status();
    assert!(status.is_ok_and(|status| status.success()), "llvm-ar makes a library");
    Input::from_bytes("library.lib", std::fs::read(library).expect("the library was just written"))
}
