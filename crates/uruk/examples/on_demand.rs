//! Functions that are compiled by their first calls, and the order in which that was.

#[path = "language/mod.rs"]
mod language;

use language::{Function, WordCompiler, parse};
use std::sync::Arc;
use uruk::orc::layer::Whole;
use uruk::orc::order_file::OrderFile;
use uruk::{CompileLayer, Jit, OnDemandLayer};

/// Runs the example.
pub fn main() {
    let jit = Jit::new().expect("this machine can run code");
    let base = Arc::new(CompileLayer::new(WordCompiler));
    // Each source is one function already; a module would be taken apart by a `Partition` of its own.
    let layer = Arc::new(OnDemandLayer::new(Whole(base.clone()), base));
    for text in ["f: x g", "g: x 1 +", "h: x nowhere"] {
        jit.main().add(&layer, parse(text)).expect("no name is there twice");
    }
    // SAFETY: that is what functions of the language are.
    let [f, h] = ["f", "h"].map(|name| unsafe { jit.main().function::<Function>(name) }.expect("it is a stub so far"));
    assert_eq!(OrderFile::record(jit.session()).len(), 0);
    assert_eq!(f(41), 42);
    // `h` would fail, but nobody calls it.
    let _ = h;
    print!("called so far:\n{}", OrderFile::record(jit.session()));
    assert_eq!(OrderFile::record(jit.session()).len(), 2);
}
