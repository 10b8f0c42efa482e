//! Code that is loaded in this process, mapped into another one's address space, and run there.

use crate::support::{compiled, spawn};
use uruk::engine::{Engine, Module};
use uruk::loader::Loader;
use uruk::orc::executor::Executor;
use uruk::orc::remote::Options;
use uruk_jitlink::memory::{Demand, Lane};

const PROGRAM: &str = "#include <stdlib.h>
    int table[3] = { 1, 2, 3 };
    int *third = &table[2];
    static int add(int x) { return *third += x; }
    int (*function)(int) = add;
    int work(int x) { return function(x) + abs(-table[0]); }";

fn program() -> uruk::Input {
    compiled("program.c", PROGRAM)
}

#[test]
fn a_client_puts_sections_into_another_process_by_itself() {
    let remote = spawn(&Options::default());
    let mut loader = Loader::new();
    let object = loader.load(&program()).unwrap();
    // Memory there, in which the client says what lies where.
    let mut demand = Demand::default();
    let mut places = Vec::new();
    for section in loader.sections() {
        let lane = &mut demand.lanes[section.lane as usize];
        let offset = lane.size.next_multiple_of(section.align);
        (lane.size, lane.align) = (offset + section.size, lane.align.max(section.align));
        places.push((section.key, section.lane, offset));
    }
    let mut there = remote.memory().allocate(&demand).unwrap();
    for (section, lane, offset) in &places {
        loader.map_section(*section, there.address(*lane) + offset).unwrap();
    }
    loader
        .resolve(|names| {
            let found = remote.find(names).unwrap();
            found.into_iter().map(|found| found.map(|found| found.address)).collect()
        })
        .unwrap();
    for (section, lane, offset) in &places {
        let bytes = loader.image(*section).unwrap();
        let working = there.working().into_iter().nth(*lane as usize).unwrap();
        working[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }
    there.finalize().unwrap();
    let (code, records) = loader.unwind(object).unwrap();
    let _unwind = remote.register_unwind(code, records).unwrap();
    assert!(loader.finalize().unwrap().segments.is_empty(), "nothing is here");
    let work = loader.address("work").unwrap();
    assert_eq!((remote.call(work, &[10]).unwrap(), remote.call(work, &[10]).unwrap()), (14, 24));
    assert!(loader.images(object).unwrap().iter().any(|image| image.lane == Lane::Code));
}

#[test]
fn an_engine_runs_code_elsewhere() {
    let remote = spawn(&Options::default());
    let mut engine = Engine::builder(Module::object(program())).executor(remote.clone()).create().unwrap();
    assert_eq!(engine.run_function("work", &[1]).unwrap(), 5);
    assert_eq!(engine.run_function("work", &[1]).unwrap(), 6);
    drop(engine);
    assert_eq!(remote.memory().statistics().live, [0; 3]);
}
