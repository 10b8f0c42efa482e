//! Compiling and running programs against the library.

// Each test has its own copy of this, and none needs all of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A compiler, the standard that it is held to, and what it takes files for.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    pub compiler: &'static str,
    pub standard: &'static str,
}

/// What every program in C is compiled as; it has to be C++, too.
pub const LANGUAGES: &[Language] =
    &[Language { compiler: "gcc", standard: "c99" }, Language { compiler: "clang-22", standard: "c17" }];

/// What every program in C++ is compiled as.
pub const CPP_LANGUAGES: &[Language] = &[
    Language { compiler: "g++", standard: "c++17" },
    Language { compiler: "g++", standard: "c++20" },
    Language { compiler: "clang++-22", standard: "c++17" },
    Language { compiler: "clang++-22", standard: "c++20" },
];

/// The package's folder, where the header is.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the tests' files are; it goes with the target folder.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Where the shared library is that was built with these tests, under the name that it has for loaders, too.
pub fn library_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let tests = std::env::current_exe().expect("a test has a path");
        let built = tests.with_file_name("liburuk_c.so");
        for name in ["liburuk_c.so", "liburuk_c.so.0"] {
            // Another test may do the same at this moment.
            let link = folder().join(format!("{name}-{}", std::process::id()));
            std::os::unix::fs::symlink(&built, &link).expect("the target folder takes links");
            std::fs::rename(link, folder().join(name)).expect("links can be renamed");
        }
        folder().to_owned()
    })
}

/// Compiles a program of `tests/c`, without warnings.
pub fn program(name: &str, language: &Language) -> PathBuf {
    compile(&package().join(format!("tests/c/{name}.c")), language, "", &["-O1"])
}

/// Compiles a program with more options, without warnings, to a file of its name and this ending.
pub fn compile(source: &Path, language: &Language, ending: &str, options: &[&str]) -> PathBuf {
    let name = source.file_stem().unwrap_or_default().display();
    let path = folder().join(format!("{name}-{}-{}{ending}", language.compiler, language.standard));
    let library = library_folder();
    let mut command = Command::new(language.compiler);
    command.arg(format!("-std={}", language.standard));
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g", "-pthread"]).args(options);
    command.arg("-I").arg(package().join("include")).arg(source);
    command
        .arg("-o")
        .arg(&path)
        .arg("-L")
        .arg(library)
        .arg("-luruk_c")
        .arg(format!("-Wl,-rpath,{}", library.display()));
    succeeds(&mut command, &format!("{name} as {language:?}"));
    path
}

/// Runs a command to its end, which has to be a good one, and returns what it printed.
pub fn succeeds(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Writes a text in C to a file, and says where it is.
pub fn source(name: &str, text: &str) -> String {
    let source = folder().join(format!("{name}.c"));
    std::fs::write(&source, text).expect("there is room for a source");
    source.display().to_string()
}

/// Compiles a text in C to an object, and says where it is.
pub fn object(name: &str, text: &str) -> String {
    let (source, object) = (source(name, text), folder().join(format!("{name}.o")));
    let status = Command::new("gcc").arg("-c").arg(&source).arg("-o").arg(&object).status().expect("there is a gcc");
    assert!(status.success());
    object.display().to_string()
}

/// Makes an archive of an object, and says where it is.
pub fn archive(name: &str, object: &str) -> String {
    let archive = folder().join(format!("lib{name}.a"));
    let _ = std::fs::remove_file(&archive);
    let status = Command::new("ar").arg("rcs").arg(&archive).arg(object).status().expect("there is an ar");
    assert!(status.success());
    archive.display().to_string()
}

/// Runs a program to its end, which has to be a good one, and returns what it printed.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    succeeds(Command::new(program).args(arguments), &program.display().to_string())
}
