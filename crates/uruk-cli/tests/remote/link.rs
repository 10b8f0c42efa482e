//! `uruk link` with its code in another process.

use super::support::{Listening, URUK, compiled_in, wrapper};
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int square(int x) { return x * x; }
int main(int count, char **arguments) {
    if (count < 2) abort();
    printf("%s\n", arguments[1]);
    return square(count);
}
"#;

fn link(folder: &Path, arguments: &[&str], secret: &str) -> Output {
    let mut command = Command::new(URUK);
    command.arg("link").args(arguments).args(["program.o", "-args", "name", "text"]);
    command.current_dir(folder).env("URUK_SECRET", secret).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn program() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    compiled_in(folder.path(), "program.c", PROGRAM);
    folder
}

#[test]
fn code_runs_in_a_process_of_its_own() {
    let folder = program();
    wrapper(folder.path(), "touch started");
    for flags in [
        &["-oop-executor"][..],
        &["--oop-executor=./executor", "-use-memmgr=simple-remote"],
        &["-oop-executor", "-use-memmgr=shared"],
    ] {
        let output = link(folder.path(), flags, "");
        assert_eq!(output.status.code(), Some(4), "{flags:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "text\n", "{flags:?}");
    }
    assert!(folder.path().join("started").exists(), "the program that was named is the executor");
    // It is the program's process that ends by a signal, not this one.
    let output = Command::new(URUK).args(["link", "-oop-executor", "program.o"]).current_dir(folder.path()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("llvm-jitlink error: ") && text(&output.stderr).contains("signal 6"));
}

#[test]
fn code_runs_in_an_executor_that_listens() {
    let folder = program();
    let listening = Listening::start("tcp:127.0.0.1:0", "secret");
    let address = listening.address.to_string();
    let flag = format!("-oop-executor-connect={}", address.strip_prefix("tcp:").unwrap());
    let output = link(folder.path(), &[&flag], "secret");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "text\n");
    // There is no memory that both sides have.
    let output = link(folder.path(), &[&flag, "-use-memmgr=shared"], "secret");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("sharing memory with tcp:"), "{}", text(&output.stderr));
    let output = link(folder.path(), &[&flag], "another");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("llvm-jitlink error: "), "{}", text(&output.stderr));
}

#[test]
fn first_calls_are_written_here() {
    let folder = program();
    let output = link(folder.path(), &["-oop-executor", "-record-lazy-execs=calls", "-lazy"], "");
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
    assert!(calls.lines().any(|line| line == "main,main"), "{calls}");
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let folder = program();
    for (flags, message) in [
        (&["-oop-executor", "-oop-executor-connect=localhost:1"][..], "only one of"),
        (&["-oop-executor", "-noexec"], "nothing for an executor to do"),
        (&["-oop-executor", "-check=rules"], "use -noexec"),
        (&["-oop-executor", "-show-relocated-section-contents"], "use -noexec"),
    ] {
        let output = link(folder.path(), flags, "");
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert!(text(&output.stderr).contains(message), "{flags:?}: {}", text(&output.stderr));
    }
}
