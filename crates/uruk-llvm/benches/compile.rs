//! What compiling LLVM IR costs: `compile eager|lazy|cached [-OLEVEL] FILE` reads a module, compiles it, whole or by function,
//! or takes it from a cache beside the file, and calls its `entry`; prints the milliseconds that took and what was returned.
//! `compile quick|thorough` prints the milliseconds of calls of a kernel before and after LLVM compiled it again.

#[expect(dead_code, reason = "an example's `main` is not called here")]
#[path = "../examples/tier_up.rs"]
mod tier_up;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uruk::Jit;
use uruk::cache::Directory;
use uruk_llvm::{Options, ThreadSafeModule};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (time, result) = match arguments[..] {
        ["quick"] => (kernel()?[0], 0),
        ["thorough"] => (kernel()?[1], 0),
        [way, path] => module(way, path, Options::default())?,
        [way, level, path] => {
            let letter = level.strip_prefix("-O").and_then(|letter| letter.chars().next());
            module(way, path, letter.and_then(Options::optimized).ok_or("there is no such level")?)?
        }
        _ => return Err("usage: compile eager|lazy|cached [-OLEVEL] FILE, or compile quick|thorough".into()),
    };
    println!("{:.3}\t{result}", time.as_secs_f64() * 1e3);
    Ok(())
}

fn kernel() -> Result<[Duration; 2], Box<dyn Error>> {
    tier_up::measure(20_000, 4096)
}

fn module(way: &str, path: &str, options: Options) -> Result<(Duration, i64), Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let start = Instant::now();
    let mut builder = Jit::builder().llvm_options(options);
    if way == "cached" {
        builder = builder.cache(Arc::new(Directory::new(Path::new(path).with_extension("cache"), 1 << 30)));
    }
    let jit = builder.build()?;
    match way {
        "cached" => jit.main().add_ir(path, &bytes)?,
        "lazy" => jit.main().add_lazy_ir_module(ThreadSafeModule::parse(path, &bytes)?)?,
        _ => jit.main().add_ir_module(ThreadSafeModule::parse(path, &bytes)?)?,
    }
    // SAFETY: the module's `entry` is such a function.
    let entry = unsafe { jit.main().handle::<extern "C" fn() -> i64>("entry")? };
    let result = entry();
    Ok((start.elapsed(), result))
}
