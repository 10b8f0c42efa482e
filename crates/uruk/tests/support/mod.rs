//! Objects for the tests, compiled from sources in the tests.

use std::path::PathBuf;
use std::process::Command;
use uruk::Input;

/// Compiles a source with the system's compiler for its language (the file name's ending) and these flags.
pub fn compile(name: &str, source: &str, flags: &[&str]) -> Input {
    let bytes = std::fs::read(compile_file(name, source, flags)).expect("the object was just written");
    Input::from_bytes(name.to_string(), bytes)
}

/// The same, as a file that stays until the tests' temporary folder goes.
pub fn compile_file(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("uruk-test").tempdir().expect("a temporary folder").keep();
    let path = folder.join(name);
    std::fs::write(&path, source).expect("a temporary file");
    let object = folder.join(format!("{name}.o"));
    let compiler = if name.ends_with(".cpp") { "c++" } else { "cc" };
    let status = Command::new(compiler).arg("-c").args(flags).arg(&path).arg("-o").arg(&object).status();
    assert!(status.is_ok_and(|status| status.success()), "{compiler} compiles {name}");
    object
}
