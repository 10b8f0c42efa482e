//! Functions that were not linked yet, or that others stand for: in an image they are what is behind them.

mod support;

use std::process::Command;
use support::{Compiled, HERE, run};
use uruk::{Definition, Jit, LazyJit};
use uruk_image::{ElfOptions, Freeze, Pointer, Type, World, write_elf};

const MAIN: &str = r#"
#include <stdio.h>
extern long twice(long), thrice(long), replaced(long);
extern struct { long (*function)(long); } cell;
static long (*table[])(long) = {twice, thrice};
int main(void) {
    printf("%ld %ld %ld %ld\n", table[0](4), table[1](4), cell.function(4), replaced(4));
    return 0;
}
"#;

/// Each in an object of its own, which nothing has called; one of them calls another one.
const OTHERS: [(&str, &str); 3] = [
    ("twice.c", "long twice(long value) { return 2 * value; }"),
    ("thrice.c", "extern long twice(long); long thrice(long value) { return twice(value) + value; }"),
    ("fourfold.c", "long fourfold(long value) { return 4 * value; } long fivefold(long value) { return 5 * value; }"),
];

fn check(jit: &Jit, cell: &'static mut u64) {
    let address = std::ptr::from_mut(cell).expose_provenance() as u64;
    // A pointer to a function that nobody has called, or only its stand-in.
    *cell = jit.main().find("fourfold").unwrap();
    let mut world = World::new();
    let described = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Code)).unwrap();
    world.add_cell("cell", address, described).unwrap();
    let (code, data) = (Some((jit.session(), &[jit.main().id()][..])), Some((&world, &["cell"][..])));
    let main = jit.main().find("main").unwrap();
    let frozen = Freeze { code, data, functions: &[main], ..Freeze::default() }
        .freeze()
        .unwrap_or_else(|error| panic!("{error}"));
    let libraries = HERE.libraries(&["libc.so.6"]);
    let image = write_elf(frozen.graphs, &ElfOptions::executable("main", &libraries)).unwrap();
    let output = run(&mut Command::new(Compiled::new(&[], &[]).write("image", &image)));
    assert_eq!((output.text.as_str(), output.status), ("8 12 16 20\n", Some(0)), "{}", output.errors);
}

#[test]
fn lazy_and_redirected_functions_are_what_is_behind_them() {
    let compiled = Compiled::new(&[&[("main.c", MAIN)], &OTHERS[..]].concat(), &["-O1", "-fPIC"]);
    let jit = LazyJit::builder().retain_graphs(true).build_lazy().unwrap();
    let cell: &'static mut u64 = Box::leak(Box::new(0));
    jit.main().define("cell", std::ptr::from_mut(cell).expose_provenance() as u64);
    let session = jit.session();
    jit.add_objects(jit.main().id(), None, &compiled.inputs()).unwrap();
    let replaced = Definition::function(session.mangle("replaced"));
    let first = jit.main().find("twice").unwrap();
    let replaced = session.define_redirectable(jit.main().id(), None, &[(replaced, first)]).unwrap();
    let (name, body) = (session.mangle("replaced"), session.mangle("fivefold"));
    replaced.redirect_to(jit.main().id(), &[(name, body)]).unwrap();
    check(&jit, cell);
}
