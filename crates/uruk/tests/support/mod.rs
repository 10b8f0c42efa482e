//! Objects for the tests, compiled from sources in the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use uruk::Input;

/// Compiles a source with the system's compiler for its language (the file name's ending) and these flags.
pub fn compile(name: &str, source: &str, flags: &[&str]) -> Input {
    let folder = tempfile::Builder::new().prefix("uruk-test").tempdir().expect("a temporary folder");
    let object = compile_file(folder.path(), name, source, flags);
    Input::from_bytes(name.to_string(), std::fs::read(object).expect("the object was just written"))
}

/// The same, as a file in a folder.
pub fn compile_file(folder: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, source).expect("a temporary file");
    let object = folder.join(format!("{name}.o"));
    let compiler = if name.ends_with(".cpp") { "c++" } else { "cc" };
    let status = Command::new(compiler).arg("-c").args(flags).arg(&path).arg("-o").arg(&object).status();
    assert!(status.is_ok_and(|status| status.success()), "{compiler} compiles {name}");
    object
}
