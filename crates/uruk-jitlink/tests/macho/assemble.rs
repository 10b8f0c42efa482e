//! Objects of Darwin from sources in the tests.

use std::process::Command;

/// Assembles a source for an architecture of Darwin.
pub fn assemble(arch: &str, source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (path, object) = (folder.path().join("a.s"), folder.path().join("a.o"));
    std::fs::write(&path, source).unwrap();
    let target = format!("--target={arch}-apple-macos13");
    let output = Command::new("clang-22").args([&*target, "-c"]).arg(&path).arg("-o").arg(&object).output().unwrap();
    assert!(output.status.success(), "{source}\n{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read(object).unwrap()
}
