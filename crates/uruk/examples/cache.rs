//! Compiled code that is kept in a folder for the next run.

#[path = "language/mod.rs"]
mod language;

use language::{Function, WordCompiler, parse};
use std::sync::Arc;
use uruk::Jit;
use uruk::cache::{Directory, Memory, Tiers};

/// Runs the example.
pub fn main() {
    let folder = std::env::temp_dir().join(format!("uruk-example-cache-{}", std::process::id()));
    for run in ["first", "second"] {
        // A little memory in front, and 100 MB on disk, which any number of processes may share.
        let cache = Tiers::new(Memory::new(1 << 20), Directory::new(&folder, 100 << 20));
        let jit = Jit::builder().cache(Arc::new(cache)).build().expect("this machine can run code");
        let layer = Arc::new(jit.compile_layer(WordCompiler));
        jit.main().add(&layer, parse("f: x x * 6 +")).expect("the name is free");
        // SAFETY: that is what functions of the language are.
        let f = unsafe { jit.main().function::<Function>("f") }.expect("it compiles");
        assert_eq!(f(6), 42);
        assert!(jit.session().take_reports().is_empty(), "the cache is in order");
        println!("the {run} run says {}", f(6));
    }
    std::fs::remove_dir_all(&folder).expect("it was made above");
}
