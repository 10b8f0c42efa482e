//! A Scheme system: its runtime in C, functions of its prelude compiled by Cranelift, and the world that these have built, which goes on
//! as a program of its own. That answers what is typed as the system would have done in memory.

mod compiler;
mod forms;
mod scheme;
#[path = "../support/mod.rs"]
mod support;
mod world;

use scheme::Scheme;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::HERE;
use uruk::Jit;
use uruk_image::Mappings;
use uruk_image::memory::ThisProcess;

fn started() -> (Scheme, ThisProcess, Mappings) {
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    (Scheme::start(HERE, jit), ThisProcess::open().unwrap(), Mappings::of_this_process().unwrap())
}

#[test]
fn it_goes_on_as_a_program() {
    let (scheme, memory, mappings) = started();
    scheme.check(&memory, &mappings);
}

/// Wherever the system puts memory, and though its tables are in another order in each process.
#[test]
fn the_same_state_is_the_same_file_from_any_process() {
    const FOLDER: &str = "URUK_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let (scheme, memory, mappings) = started();
        for program in scheme.freeze(&memory, &mappings) {
            fs::copy(&program, Path::new(&folder).join(program.file_name().unwrap())).unwrap();
        }
        return fs::write(Path::new(&folder).join("address"), scheme.first_object(&memory).to_string()).unwrap();
    }
    let this = std::env::current_exe().unwrap();
    let children = [&["env"][..], &["env"], &["setarch", "-R"], &["setarch", "-R"]].map(|prefix| {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(prefix[0]);
        child.args(&prefix[1..]).arg(&this).args(["--exact", "the_same_state_is_the_same_file_from_any_process"]);
        let output = support::run(child.env(FOLDER, folder.path()));
        assert_eq!(output.status, Some(0), "{prefix:?}: {}{}", output.text, output.errors);
        ["address", "program", "fixed"].map(|name| fs::read(folder.path().join(name)).unwrap())
    });
    let [[first, programs @ ..], others @ ..] = &children;
    for [address, others @ ..] in others {
        assert_ne!(address, first, "addresses are others");
        assert!(programs == others, "the files are not the same");
    }
}
