//! The same in other processes, and for other machines: what is frozen is the memory of an executor.
//!
//! `cargo xtask test cross` builds executors for machines that emulators run, and names them in `URUK_EXECUTORS`: `aarch64=PROGRAM:…`.

mod compiler;
mod forms;
mod scheme;
#[path = "../support/mod.rs"]
mod support;
mod world;

use scheme::Scheme;
use std::path::Path;
use std::sync::Arc;
use support::{HERE, Machine, OTHERS};
use uruk::Jit;
use uruk::orc::executor::Executor;
use uruk::orc::remote::{Options, Remote};
use uruk_image::memory::OfExecutor;
use uruk_image::{Mappings, Memory};

fn check(name: &str, machine: Machine) {
    let known = std::env::var("URUK_EXECUTORS").expect("`URUK_EXECUTORS` names executors");
    let mut all = known.split(':').filter_map(|entry| entry.split_once('='));
    let (_, program) =
        all.find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no executor for {name}: {known}"));
    let remote = Arc::new(Remote::spawn(Path::new(program), [""; 0], &Options::default()).unwrap());
    let jit = Jit::builder().retain_graphs(true).executor(remote.clone()).build().unwrap();
    let scheme = Scheme::start(machine, jit);
    let (memory, mappings) = (OfExecutor::new(&*remote).unwrap(), Mappings::of_executor(&*remote).unwrap());
    assert!(!memory.read(8, &mut [0; 8]) && !memory.read(u64::MAX - 4, &mut [0; 8]), "nothing is there");
    assert!(mappings.at(scheme.first_object(&memory)).is_some(), "the heap is mapped");
    // Its libraries are read across pages, and to where they end.
    let libc = remote.find(&[b"malloc"]).unwrap()[0].unwrap();
    let mapping = mappings.at(libc.address).unwrap();
    let mut bytes = vec![0; (mapping.end - libc.address) as usize];
    assert!(memory.read(libc.address, &mut bytes) && bytes.iter().any(|byte| *byte != 0), "{mapping:?}");
    scheme.check(&memory, &mappings);
}

#[test]
fn it_goes_on_from_a_child() {
    check("x86_64", HERE);
}

#[test]
fn it_goes_on_for_aarch64() {
    check("aarch64", OTHERS[0]);
}

#[test]
fn it_goes_on_for_riscv64() {
    check("riscv64", OTHERS[1]);
}
