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

/// The headers that were ever released: their folders, which are called by their versions.
pub fn released() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(package().join("tests/headers")).expect("there are released headers");
    folders.map(|folder| folder.expect("the folder can be read").path()).collect()
}

/// Programs that need what was not in a released header yet: they must not compile with it.
const NEWER_THAN: &[(&str, &str)] = &[
    ("0.1", "answers"),
    ("0.1", "compile"),
    ("0.1", "images"),
    ("0.1", "laid_out"),
    ("0.1", "mapped"),
    ("0.1", "sections"),
    ("0.1", "worlds"),
];

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

/// Runs a program that checks what it does and says so at its end: as each language; if it is in C, with each header that was
/// released; under valgrind, which sees what the library does with a client's memory; and with sanitizers, which see what the client
/// does. It gets these arguments, which may be of a
/// folder of its own. Leaks are looked for unless it leaves copies of itself that miss the threads whose memory they have.
pub fn runs_as(source: &Path, languages: &[Language], leaks: bool, arguments: impl Fn(&Path) -> Vec<String>) {
    let name = source.file_stem().unwrap_or_default().display();
    let is_cpp = source.extension().is_some_and(|ending| ending == "cpp");
    let plain: &[&str] = if is_cpp { &["-O1", "-fno-exceptions", "-fno-rtti"] } else { &["-O1"] };
    let passes = |command: &mut Command, how: &dyn std::fmt::Debug| {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let what = format!("{name}, {how:?}");
        assert_eq!(succeeds(command.args(arguments(folder.path())), &what), format!("{name}: ok\n"), "{what}");
    };
    for language in languages {
        passes(&mut Command::new(compile(source, language, "", plain)), language);
    }
    for headers in released().iter().filter(|_| !is_cpp) {
        let version = headers.file_name().unwrap_or_default().display().to_string();
        let include = format!("-I{}", headers.display());
        let options = [plain, &[include.as_str()]].concat();
        let (mut command, program) = compiler(source, &languages[0], &format!("-{version}"), &options);
        if NEWER_THAN.contains(&(&version, &name.to_string())) {
            let output = command.output().expect("there is a compiler");
            assert!(!output.status.success(), "{name} compiles with the header of {version}: run it");
        } else {
            succeeds(&mut command, &format!("{name} with the header of {version}"));
            passes(&mut Command::new(program), headers);
        }
    }
    let program = compile(source, &languages[0], "", plain);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--error-exitcode=9", if leaks { "--leak-check=full" } else { "--leak-check=no" }]);
    // Rust's library has threads' own data by addresses inside it, which looks like a possible leak.
    valgrind.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    // Linked code is written where other code was before, without telling anybody.
    valgrind.arg("--smc-check=all-non-file");
    passes(valgrind.arg(program), &"valgrind");
    // Clang looks for a function's type before its first byte, where no other compiler puts one.
    let options = ["-fsanitize=address,undefined", "-fno-sanitize=function", "-fno-sanitize-recover=all"];
    let options = [plain, &options].concat();
    let clang = languages.last().expect("there are languages");
    // Leaks are valgrind's: the sanitizer's own search for them does not end in an executor that runs the program's code.
    let mut sanitized = Command::new(compile(source, clang, "-sanitized", &options));
    passes(sanitized.env("ASAN_OPTIONS", "detect_leaks=0"), &"sanitizers");
}

/// Compiles a program with more options, without warnings, to a file of its name and this ending.
pub fn compile(source: &Path, language: &Language, ending: &str, options: &[&str]) -> PathBuf {
    let (mut command, path) = compiler(source, language, ending, options);
    succeeds(&mut command, &format!("{} as {language:?}", source.display()));
    path
}

/// The command that does this, and the file.
fn compiler(source: &Path, language: &Language, ending: &str, options: &[&str]) -> (Command, PathBuf) {
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
    (command, path)
}

/// Runs a command to its end, which has to be a good one, and returns what it printed.
pub fn succeeds(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A file that takes the place of another once it is whole: several tests may make the same one at once, and read it.
fn partial() -> tempfile::TempPath {
    tempfile::NamedTempFile::new_in(folder()).expect("there is room for a file").into_temp_path()
}

/// Writes a text in C to a file, and says where it is.
pub fn source(name: &str, text: &str) -> String {
    let (source, partial) = (folder().join(format!("{name}.c")), partial());
    std::fs::write(&partial, text).expect("there is room for a source");
    partial.persist(&source).expect("the source can be put in its place");
    source.display().to_string()
}

/// Compiles a text in C to an object, and says where it is.
pub fn object(name: &str, text: &str) -> String {
    object_with(name, text, &[])
}

/// The same with options.
pub fn object_with(name: &str, text: &str, options: &[&str]) -> String {
    let (source, object, partial) = (source(name, text), folder().join(format!("{name}.o")), partial());
    let mut command = Command::new("gcc");
    let status = command.args(options).arg("-c").arg(&source).arg("-o").arg(&partial).status().expect("there is a gcc");
    assert!(status.success());
    partial.persist(&object).expect("the object can be put in its place");
    object.display().to_string()
}

/// The C library of this machine.
pub const LIBC: &str = "/usr/lib/x86_64-linux-gnu/libc.so.6";

/// A runtime with a list of records, which is on the heap of the program that has it linked: see `c/records.h`.
const RUNTIME: &str = r#"
#include <stdio.h>
#include "records.h"
extern struct record *records;
static int generation = 1;
static const char *greeting = "as compiled";
long square(long value) { return value * value; }
long cube(long value) { return value * value * value; }
long total(long value) {
    long sum = 0;
    for (struct record *record = records; record; record = record->next) sum += record->function(value);
    return sum;
}
void grow(void) { generation += 1; }
void greet(const char *text) { greeting = text; }
int main(void) {
    for (struct record *record = records; record; record = record->next) {
        int same = record->stream == (void *)&stdin;
        printf("%s %s %ld %d\n", record->name, record->inner, record->function(4), same);
    }
    printf("generation %d\n", generation);
    return greeting[0] == 'a' ? 7 : 8;
}
"#;

/// Compiles the runtime to an object, and says where it is.
pub fn runtime(name: &str) -> String {
    let include = format!("-I{}", package().join("tests/c").display());
    object_with(name, RUNTIME, &["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections", &include])
}

/// Code that is mapped, with a list of nodes of the program that has it linked: see `c/nodes.h`.
const MAPPED: &str = r#"
#include "nodes.h"
extern struct node *nodes;
extern long reported __attribute__((weak));
static long calls;
__attribute__((constructor)) static void begin(void) { reported += 1; }
__attribute__((destructor)) static void end(void) { reported += 100; }
long twice(long value) { return 2 * value; }
long next(void) { return ++calls; }
void push(struct node *node) { node->next = nodes, nodes = node; }
long sum(long value) {
    long sum = 0;
    for (struct node *node = nodes; node; node = node->next) sum += node->function(value);
    return sum;
}
int main(int count, char **words) { return count * 10 + words[count - 1][0] - '0'; }
"#;

/// Code that is linked against that.
const MORE: &str = "long sum(long); long next(void); long thrice(long value) { return 3 * value; } long all(long value) { return sum(value) + next(); }";

/// Compiles both to objects, whose names begin so, and says where they are.
pub fn mapped(name: &str) -> [String; 2] {
    let include = format!("-I{}", package().join("tests/c").display());
    [("", MAPPED), ("_more", MORE)]
        .map(|(end, text)| object_with(&format!("{name}{end}"), text, &["-O1", "-fPIC", &include]))
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
