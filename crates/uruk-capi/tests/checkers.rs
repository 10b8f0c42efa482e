//! The programs in C under checkers of memory: valgrind sees what the library does with a client's memory, the sanitizers what
//! the client does. Plain runs take one program; `cargo xtask test --all` takes all.

mod support;

use std::process::Command;
use support::{Language, archive, compile, object, package, source, succeeds};

const COMPUTE: &str =
    "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }";

/// The programs, those of a plain run first, each with its arguments.
fn programs() -> Vec<(&'static str, Vec<String>)> {
    let mut programs = vec![("arena", vec![object("checked_compute", COMPUTE)])];
    if std::env::var_os("URUK_ALL_TESTS").is_some() {
        let chain = [
            ("checked_first", "int second(int); static int one = 1; int first(int a) { return second(a + one); }"),
            (
                "checked_second",
                "int third(int); static const int two[] = {2}; int second(int a) { return third(a + two[0]); }",
            ),
            ("checked_third", "int zeros[500]; int third(int a) { return a + 3 + zeros[a]; }"),
        ];
        programs.push(("managers", chain.map(|(name, text)| object(name, text)).to_vec()));
        programs.push(("misuse", Vec::new()));
        let ours = "int ours(int); int call_ours(int a) { return ours(a) + 1; } int add(int a, int b) { return a + b; } int twice(int a) { return 2 * a; }";
        let member = object("checked_member", "int member(int a) { return a + 100; }");
        let main = "int main(int count, char **words) { return count + words[count - 1][0]; }";
        programs.push((
            "dylibs",
            vec![
                object("checked_ours", ours),
                archive("checked_members", &member),
                source("checked_source", "int from_source(int a) { return a + 500; }"),
                object("checked_main", main),
            ],
        ));
    }
    programs
}

fn path(name: &str) -> std::path::PathBuf {
    package().join(format!("tests/c/{name}.c"))
}

#[test]
fn nothing_is_leaked_or_read_before_it_is_written() {
    for (name, arguments) in programs() {
        let program = compile(&path(name), &Language { compiler: "gcc", standard: "c99" }, "-valgrind", &["-O1"]);
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
        // Rust's library has threads' own data by addresses inside it, which looks like a possible leak.
        valgrind.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
        // Linked code is written where other code was before, without telling anybody.
        valgrind.arg("--smc-check=all-non-file");
        let printed = succeeds(valgrind.arg(program).args(arguments), name);
        assert_eq!(printed, format!("{name}: ok\n"));
    }
}

#[test]
fn sanitizers_find_nothing() {
    for (name, arguments) in programs() {
        // Clang looks for a function's type before its first byte, where no other compiler puts one.
        let options = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize=function", "-fno-sanitize-recover=all"];
        let program = compile(&path(name), &Language { compiler: "clang-22", standard: "c17" }, "-sanitized", &options);
        let printed = succeeds(Command::new(program).args(arguments), name);
        assert_eq!(printed, format!("{name}: ok\n"));
    }
}
