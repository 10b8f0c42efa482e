//! Comparison with `ld.lld`: the same objects, linked by both to the same addresses, are the same bytes.
//!
//! A target is a row of [`machines::MACHINES`]; what is linked are programs that two compilers have made, and assembly of
//! random relocations ([`random`]). What the library does to code that `ld.lld` does otherwise is seen by running programs
//! in an emulator ([`emulated`]).

mod debugged;
mod emulated;
mod lld;
mod machines;
mod programs;
mod random;
mod uruk;
mod whole;

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
    // Without relaxation all instructions stay where they are.
    arguments.push(if machine.relax { "--relax" } else { "--no-relax" }.to_string());
    for (number, (name, thread_local)) in (0u64..).zip(uruk::undefined(&graphs)) {
        let address = number * 0x1010 + if thread_local { 0 } else { machine.base + 0x400_0000 };
        arguments.push(format!("\"--defsym={}={address:#x}\"", String::from_utf8_lossy(&name)));
    }
    let objects: Vec<&Path> = objects.iter().map(PathBuf::as_path).collect();
    let mut linked = Linked::new(&objects, &arguments, folder.path());
    uruk::compare(graphs, machine, &mut linked)
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

#[test]
fn relaxed_programs_do_the_same() {
    let sources = programs::Sources::find();
    for machine in machines::MACHINES.iter().filter(|machine| machine.emulation.is_some()) {
        for compiler in machine.compilers {
            for program in programs::PROGRAMS {
                let Some(arguments) = program.arguments(&sources) else { continue };
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let objects = program.compile(&sources, machine, compiler);
                let (theirs, ours, before, after) = emulated::compare(machine, &objects, &arguments);
                println!("{} {} {}: {before} bytes of code to {after}", machine.name, compiler.name, program.name);
                assert_eq!(ours, theirs, "{} {} {}", machine.name, compiler.name, program.name);
                assert!(after < before, "{} {}", compiler.name, program.name);
            }
        }
    }
}

#[test]
fn debuggers_are_told_of_relaxed_code() {
    for machine in machines::MACHINES.iter().filter(|machine| machine.emulation.is_some()) {
        machine.compilers.iter().for_each(debugged::check);
    }
}
