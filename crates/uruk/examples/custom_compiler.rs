//! A compiler of one's own: its functions call each other, and the program around them, whatever order they come in.

#[path = "language/mod.rs"]
mod language;

use language::{Function, WordCompiler, parse};
use std::sync::Arc;
use uruk::{CompileLayer, Jit};

extern "C" fn host(number: i64) -> i64 {
    number + 1000
}

/// Runs the example.
pub fn main() {
    let jit = Jit::new().expect("this machine can run code");
    let layer = Arc::new(CompileLayer::new(WordCompiler));
    let main = jit.main();
    for text in ["f: x g host", "g: x x * 1 +", "wrong: +", "unfinished: x nowhere"] {
        main.add(&layer, parse(text)).expect("no name is there twice");
    }
    main.define_function("host", host as Function);

    // SAFETY: that is what functions of the language are.
    let f = unsafe { main.function::<Function>("f") }.expect("all that it needs is there");
    println!("f(5) = {}", f(5));
    assert_eq!(f(5), 1026);

    // Only now somebody asks for these.
    for name in ["wrong", "unfinished"] {
        let error = main.find(name).expect_err("it cannot be compiled or linked");
        println!("{name}: {error}");
    }
}
