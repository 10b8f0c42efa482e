//! Dylibs whose code alternates in memory, because each was put into holes that others had left: an exception finds its
//! way through the frames of all.

mod support;

use std::collections::HashSet;
use support::compile;
use uruk::{Dylib, Input, Jit, Tracker};

/// Functions of each dylib.
const COUNT: usize = 8;

/// A function that calls the next one of a list, with something to destroy while an exception passes.
const PASS: &str = r#"
struct Frame { void (*call)(const Frame *, int *); };
struct Guard { int *count; ~Guard() { ++*count; } };
extern "C" void pass_000(const Frame *frame, int *count) {
    Guard guard{count};
    frame->call(frame + 1, count);
}"#;

/// Throws at the end of a list, and catches.
const ENDS: &str = r#"
#include <stdexcept>
struct Frame { void (*call)(const Frame *, int *); };
extern "C" void raise(const Frame *, int *) { throw std::runtime_error("deep"); }
extern "C" int catching(const Frame *frame) {
    int count = 0;
    try { frame->call(frame + 1, &count); } catch (const std::runtime_error &) { return count; }
    return -1;
}"#;

type Catching = extern "C" fn(*const u64) -> i32;

/// The template with another name for its function.
fn renamed(template: &Input, number: usize) -> Input {
    let mut bytes = template.to_vec();
    let at = bytes.windows(8).position(|window| window == b"pass_000").expect("the name is in the string table");
    bytes[at..at + 8].copy_from_slice(name(number).as_bytes());
    Input::from_bytes(format!("{number}.o"), bytes)
}

fn name(number: usize) -> String {
    format!("pass_{number:03}")
}

/// Adds one object and links it, in a place of its own; gives the address of its function.
fn add<'jit>(dylib: &Dylib<'jit>, template: &Input, number: usize) -> (Tracker<'jit>, u64) {
    let tracker = dylib.add_tracked(&[renamed(template, number)]).unwrap();
    (tracker, dylib.find(&name(number)).unwrap())
}

/// How often the owner changes along the addresses.
fn switches(places: &[(u64, usize)]) -> usize {
    let mut places = places.to_vec();
    places.sort_unstable();
    places.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
}

#[test]
fn an_exception_passes_dylibs_that_alternate_in_memory() {
    let template = compile("pass.cpp", PASS, &["-O1"]);
    let jit = Jit::new().unwrap();
    jit.load_library("libstdc++.so.6").unwrap();
    jit.main().add_objects(&[compile("ends.cpp", ENDS, &["-O1"])]).unwrap();
    // SAFETY: as declared; the lists given to it end with `raise`, and all of a list is there when it is called.
    let catching = unsafe { jit.main().function::<Catching>("catching").unwrap() };
    let raise = jit.main().find("raise").unwrap();

    // Every second one of many goes, so that there are holes of the right size which do not touch each other.
    let filler = jit.create_dylib("filler").unwrap();
    let fillers: Vec<_> = (0..COUNT * 6).map(|number| add(&filler, &template, number)).collect();
    let holes: HashSet<u64> = fillers.iter().skip(1).step_by(2).map(|(_, address)| *address).collect();
    // SAFETY: nothing has run in them, and nothing refers to them.
    fillers.iter().skip(1).step_by(2).for_each(|(tracker, _)| drop(tracker.remove()));

    let dylibs = ["one", "two", "three"].map(|name| jit.create_dylib(name).unwrap());
    let mut added: Vec<(Tracker<'_>, u64, usize)> = Vec::new();
    for number in 0..COUNT * 3 {
        let (tracker, address) = add(&dylibs[number % 3], &template, number);
        added.push((tracker, address, number % 3));
    }
    let check = |added: &[(Tracker<'_>, u64, usize)]| {
        let places: Vec<_> = added.iter().map(|(_, address, dylib)| (*address, *dylib)).collect();
        assert!(places.iter().all(|(address, _)| holes.contains(address)), "the code lies in the holes");
        assert!(COUNT * 2 <= switches(&places), "the dylibs alternate: {places:x?}");
        let list: Vec<u64> = added.iter().map(|(_, address, _)| *address).chain([raise]).collect();
        assert_eq!(catching(list.as_ptr()), added.len() as i32);
    };
    check(&added);

    // Other dylibs take the places: what was known about the removed code must be gone.
    // SAFETY: none of it runs; only the list, which is made anew, refers to it.
    added.iter().for_each(|(tracker, ..)| drop(tracker.remove()));
    for (number, (tracker, address, dylib)) in added.iter_mut().enumerate() {
        *dylib = (number + 1 + number / 3) % 3;
        (*tracker, *address) = add(&dylibs[*dylib], &template, number + COUNT * 3);
    }
    check(&added);
}
