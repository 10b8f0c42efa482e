//! A function that is given another body while the program runs.

#[path = "language/mod.rs"]
mod language;

use language::{Function, WordCompiler, parse};
use std::sync::Arc;
use uruk::{CompileLayer, Jit};

/// Runs the example.
pub fn main() {
    let jit = Jit::new().expect("this machine can run code");
    let layer = Arc::new(CompileLayer::new(WordCompiler));
    let main = jit.main();
    let versions = jit.create_dylib("versions").expect("no other dylib has this name");
    versions.add(&layer, parse("first: x 1 +")).expect("the name is free");
    let first = versions.find("first").expect("it compiles");
    let functions = main.redirectable(&[("step", first)]).expect("the name is free");
    main.add(&layer, parse("twice: x step step")).expect("the name is free");

    // SAFETY: that is what functions of the language are.
    let twice = unsafe { main.function::<Function>("twice") }.expect("it compiles");
    assert_eq!(twice(1), 3);

    versions.add(&layer, parse("second: x 10 *")).expect("the name is free");
    let session = jit.session();
    let [step, second] = ["step", "second"].map(|name| session.mangle(name));
    functions.redirect_to(versions.id(), &[(step, second)]).expect("it compiles");
    assert_eq!(twice(1), 100);
    println!("1 became {} by the second version", twice(1));
}
