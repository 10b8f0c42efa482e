//! What compiling LLVM IR costs: `compile eager|lazy FILE [-OLEVEL]` reads a module, compiles it, whole or by function, and
//! calls its `entry`; prints the milliseconds that took and what was returned.

use std::error::Error;
use std::time::Instant;
use uruk::Jit;
use uruk_llvm::{Options, ThreadSafeModule};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [way, path, level @ ..] = &arguments[..] else {
        return Err("usage: compile eager|lazy FILE [-OLEVEL]".into());
    };
    let options = match level.first().and_then(|level| level.strip_prefix("-O")?.chars().next()) {
        Some(letter) => Options::optimized(letter).ok_or("there is no such level")?,
        None => Options::default(),
    };
    let bytes = std::fs::read(path)?;
    let start = Instant::now();
    let jit = Jit::builder().llvm_options(options).build()?;
    let module = ThreadSafeModule::parse(path, &bytes)?;
    if way == "lazy" {
        jit.main().add_lazy_ir_module(module)?;
    } else {
        jit.main().add_ir_module(module)?;
    }
    // SAFETY: the module's `entry` is such a function.
    let entry = unsafe { jit.main().handle::<extern "C" fn() -> i64>("entry")? };
    let result = entry();
    println!("{:.3}\t{result}", start.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
