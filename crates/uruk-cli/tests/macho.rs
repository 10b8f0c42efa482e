//! Mach-O objects on the command line: run, and inspected. What they are linked to is checked in `link/`.

use std::path::Path;
use std::process::Command;

/// Compiles a source for a target of Darwin to `object.o` of a folder.
fn darwin(folder: &Path, arch: &str, name: &str, source: &str) {
    std::fs::write(folder.join(name), source).unwrap();
    let mut command = Command::new("clang-22");
    command.arg(format!("--target={arch}-apple-macos13")).args(["-ffreestanding", "-nostdlibinc", "-O1", "-c", name]);
    assert!(command.args(["-o", "object.o"]).current_dir(folder).status().unwrap().success());
}

/// Runs the command on `object.o`; gives its status and what it printed.
fn uruk(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    let output = command.args(arguments).arg("object.o").current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

const HELLO: &str = "extern int printf(const char *, ...); static _Thread_local int status = 3;
    __attribute__((constructor)) static void start(void) { status += 1; }
    int main(void) { printf(\"status %d\\n\", status); return status; }";

#[test]
fn a_program_for_darwin_runs() {
    let folder = tempfile::tempdir().unwrap();
    darwin(folder.path(), "x86_64", "hello.c", HELLO);
    assert_eq!(uruk(folder.path(), &["run"]), (Some(4), "status 4\n".into()));
    assert_eq!(uruk(folder.path(), &["link"]), (Some(4), "status 4\n".into()));
    let (status, text) = uruk(folder.path(), &["inspect"]);
    assert_eq!(status, Some(0));
    for part in ["__TEXT,__text", "_main", "_printf", "X86_64_RELOC_BRANCH", "X86_64_RELOC_TLV"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    darwin(folder.path(), "arm64", "hello.c", HELLO);
    let (status, text) = uruk(folder.path(), &["run"]);
    assert!(status == Some(125) && text.contains("Mach-O arm64 code, which x86-64 does not run"), "{text}");
}
