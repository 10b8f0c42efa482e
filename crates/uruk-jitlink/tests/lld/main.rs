//! Comparison with `ld.lld`: the same objects, linked by both to the same addresses, are the same bytes.
//!
//! A target is a row of [`machines::MACHINES`]; what is linked are programs that two compilers have made, and assembly of
//! random relocations ([`random`]).

mod lld;
mod machines;
mod programs;
mod random;
mod uruk;

use lld::Linked;
use machines::Machine;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command, which must succeed.
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Links objects both ways and compares them. What they leave undefined lies somewhere in reach.
fn check(machine: &Machine, objects: &[PathBuf]) -> uruk::Compared {
    let folder = tempfile::tempdir().unwrap();
    let graphs: Vec<_> = objects.iter().map(|object| uruk::read(object)).collect();
    let mut arguments = vec![format!("--image-base={:#x}", machine.base)];
    for (number, name) in (0u64..).zip(uruk::undefined(&graphs)) {
        let address = machine.base + 0x400_0000 + number * 0x1010;
        arguments.push(format!("\"--defsym={}={address:#x}\"", String::from_utf8_lossy(&name)));
    }
    let objects: Vec<&Path> = objects.iter().map(PathBuf::as_path).collect();
    let mut linked = Linked::new(&objects, &arguments, folder.path());
    uruk::compare(graphs, machine.prepare, &mut linked)
}

#[test]
fn programs_are_the_same_bytes() {
    let sources = programs::Sources::find();
    for machine in machines::MACHINES {
        for compiler in machine.compilers {
            for program in programs::PROGRAMS {
                let objects = program.compile(&sources, machine, compiler);
                let compared = check(machine, &objects);
                println!("{} {} {}: {compared:?}", machine.name, compiler.name, program.name);
                assert!(program.least_bytes < compared.bytes, "{}: {compared:?}", program.name);
                assert!(compared.left_out * 50 < compared.edges, "{}: {compared:?}", program.name);
            }
        }
    }
}

#[test]
fn random_relocations_have_the_same_values() {
    for machine in machines::MACHINES {
        for seed in 0..machine.rounds {
            let folder = tempfile::tempdir().unwrap();
            let source = random::source(machine, seed);
            let object = machine.assemble(&source, folder.path());
            let compared = check(machine, &[object]);
            assert!(compared.left_out * 20 < compared.edges, "{}: {compared:?}", machine.name);
        }
    }
}
