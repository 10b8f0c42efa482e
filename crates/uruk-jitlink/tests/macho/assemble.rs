//! Objects of Darwin from sources in the tests.

use std::process::Command;

/// Assembles a source for an architecture of Darwin.
pub fn assemble(arch: &str, source: &str) -> Vec<u8> {
    compile(arch, "a.s", source, &["-c"])
}

/// What clang makes of a source, whose file has this name, with other options.
pub fn compile(arch: &str, name: &str, source: &str, options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (path, made) = (folder.path().join(name), folder.path().join("made"));
    std::fs::write(&path, source).unwrap();
    let target = format!("--target={arch}-apple-macos13");
    let mut command = Command::new("clang-22");
    let output = command.arg(target).args(options).arg(&path).arg("-o").arg(&made).output().unwrap();
    assert!(output.status.success(), "{source}\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(made).unwrap()
}
