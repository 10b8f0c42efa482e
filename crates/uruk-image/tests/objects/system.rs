//! Compilers, linkers and emulators.

use std::path::{Path, PathBuf};
use std::process::Command;
use uruk_jitlink::format;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// Runs a command, which must succeed, and gives what it prints.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {text}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// A command in words.
pub fn command(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Where the sources of the tests are.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects/sources")
}

/// Reads an object.
#[track_caller]
pub fn read(path: &Path) -> LinkGraph {
    let bytes = std::fs::read(path).unwrap();
    read_bytes(&path.file_name().unwrap().to_string_lossy(), bytes)
}

/// The same of bytes.
#[track_caller]
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> LinkGraph {
    format::read(&Input::from_bytes(name, bytes), &Names::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Compiles a source of the tests, with all flags in the command.
#[track_caller]
pub fn compile(compiler: &str, source: &Path, folder: &Path) -> PathBuf {
    let object = folder.join(source.with_extension("o").file_name().unwrap());
    run(command(compiler).arg("-c").arg(source).arg("-o").arg(&object));
    object
}

/// Writes objects as one, in a file of a name.
#[track_caller]
pub fn write(objects: &[PathBuf], path: &Path) {
    let graphs: Vec<LinkGraph> = objects.iter().map(|object| read(object)).collect();
    let graphs: Vec<&LinkGraph> = graphs.iter().collect();
    let bytes = uruk_image::write_object(&graphs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(uruk_image::write_object(&graphs).unwrap(), bytes, "the same graphs give the same bytes");
    std::fs::write(path, bytes).unwrap();
}
