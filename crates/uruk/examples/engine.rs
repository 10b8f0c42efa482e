//! An engine with MCJIT's life: modules, sections that are mapped elsewhere, images, functions.

use std::error::Error;
use uruk::engine::{Engine, Module};
use uruk::loader::{Loader, SectionView};
use uruk::uruk_cranelift::{Cranelift, Options, read};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CLIF: &str = "
    function %square(i64) -> i64 {
    block0(v0: i64):
        v1 = imul v0, v0
        return v1
    }
";

/// Compiled when its code is needed.
// ANCHOR: engine
fn run() -> Result<()> {
    let cranelift = std::sync::Arc::new(Cranelift::new(&Options::default())?);
    let functions = read("square.clif", CLIF, cranelift.isa())?;
    let mut engine = Engine::builder(Module::compiled("square", &cranelift, functions)).create()?;
    assert!(engine.sections().is_empty(), "nothing is compiled yet");
    let square = engine.pointer_to_function("square")?;
    // SAFETY: this is how the function is declared, and the engine lives as long as it is used.
    let square: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(square as *const ()) };
    assert_eq!(square(7), 49);
    Ok(())
}
// ANCHOR_END: engine

/// Made here, for addresses of another process.
// ANCHOR: loader
fn map() -> Result<()> {
    let cranelift = Cranelift::new(&Options::default())?;
    let mut loader = Loader::new();
    let mut objects = Vec::new();
    for function in read("square.clif", CLIF, cranelift.isa())? {
        objects.push(loader.load_graph(cranelift.compile(function)?)?);
    }
    // Twice: what counts is where sections were mapped last.
    for base in [0x1000_0000, 0x7f00_0000_0000] {
        let sections: Vec<SectionView> = loader.sections().collect();
        for (number, section) in (0..).zip(sections) {
            loader.map_section(section.key, base + number * 0x1_0000)?;
        }
        loader.resolve(|names| vec![None; names.len()])?;
    }
    for image in loader.images(objects[0])? {
        // To be written to the other process, at `image.address`, with what `image.lane` says of its protection.
        assert!(0x7f00_0000_0000 <= image.address && !image.bytes.is_empty());
    }
    assert!(loader.address("square").is_some());
    loader.finalize()?;
    Ok(())
}
// ANCHOR_END: loader

/// Runs both.
pub fn main() {
    run().expect("the engine runs");
    map().expect("the images are made");
}
