//! What the library costs in one process, as JSON, for `cargo xtask bench link`:
//!
//! - `measure again @OBJECTS [-- ARGUMENT…]`: links a program, removes it, and links it again; times the second link,
//!   from the first byte read to callable, prints to standard error, and ends as the program does.
//! - `measure cycle OBJECT [strict]`: adds an object in memory, links it, calls its `cycle` and removes it, many times.
//! - `measure lookup OBJECT`: looks its `cycle` up, which was found before.
//! - `measure mappings OBJECT @OBJECTS`: how many more mappings the kernel has after the second link than after the first.

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use uruk::{Input, Jit, read_file};

// As the command has it.
#[global_allocator]
static ALLOCATOR: uruk::scratch::ScratchAllocator = uruk::scratch::ScratchAllocator::new();

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    ALLOCATOR.hold_across_fork();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["again", objects, rest @ ..] => again(&paths(objects)?, rest.strip_prefix(&["--"]).unwrap_or(rest)),
        ["cycle", object] => cycle(object, false),
        ["cycle", object, "strict"] => cycle(object, true),
        ["lookup", object] => lookup(object),
        ["mappings", object, objects] => mappings(object, &paths(objects)?),
        _ => Err("usage: see the head of this example's source".into()),
    }
}

/// The paths in a list of one a line.
fn paths(list: &str) -> Result<Vec<PathBuf>> {
    let list = fs::read_to_string(list.strip_prefix('@').ok_or("the objects are given as @FILE")?)?;
    Ok(list.lines().map(PathBuf::from).collect())
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Input>> {
    Ok(paths.iter().map(|path| read_file(path)).collect::<std::result::Result<_, _>>()?)
}

fn again(paths: &[PathBuf], arguments: &[&str]) -> Result<()> {
    let jit = Jit::builder().threads(1).build()?;
    jit.load_libraries_on_demand(&["libm.so.6"]);
    jit.set_arguments(["measure"].iter().chain(arguments).copied())?;
    let main = jit.main();
    let tracker = main.add_tracked(&[])?;
    let link = || -> Result<f64> {
        let start = Instant::now();
        tracker.add_objects(&main, &read_all(paths)?)?;
        jit.link(&[main])?;
        main.find("main")?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    let first_ms = link()?;
    let start = Instant::now();
    tracker.remove();
    let remove_ms = start.elapsed().as_secs_f64() * 1e3;
    let second_ms = link()?;
    eprintln!("{{\"total_ms\":{second_ms:.4},\"first_ms\":{first_ms:.4},\"remove_ms\":{remove_ms:.4}}}");
    std::process::exit(main.run("main")?)
}

fn cycle(object: &str, strict: bool) -> Result<()> {
    const ROUNDS: usize = 41;
    const CYCLES: u32 = 500;
    let input = Input::from_bytes(object, fs::read(object)?);
    let jit = Jit::builder().threads(1).strict_wx(strict).build()?;
    let main = jit.main();
    let tracker = main.add_tracked(&[])?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CYCLES {
            tracker.add_objects(&main, std::slice::from_ref(&input))?;
            // SAFETY: the benchmark compiled it from such a function; it is not called after its removal.
            unsafe {
                if main.function::<extern "C" fn(i32) -> i32>("cycle")?(1) != 42 {
                    return Err("the object's function gives a wrong number".into());
                }
                tracker.remove();
            }
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(CYCLES));
    }
    rounds.sort_by(f64::total_cmp);
    println!("{{\"cycle_us\":{:.3}}}", rounds[ROUNDS / 2]);
    Ok(())
}

fn lookup(object: &str) -> Result<()> {
    const ROUNDS: usize = 101;
    const LOOKUPS: u32 = 2000;
    let jit = Jit::new()?;
    let main = jit.main();
    main.add_file(object.as_ref())?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    let mut sum = 0u64;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..LOOKUPS {
            sum = sum.wrapping_add(main.address("cycle")?);
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKUPS));
    }
    rounds.sort_by(f64::total_cmp);
    println!("{{\"lookup_ns\":{:.3},\"sum\":{sum}}}", rounds[ROUNDS / 2]);
    Ok(())
}

fn mappings(object: &str, paths: &[PathBuf]) -> Result<()> {
    let count = || fs::read_to_string("/proc/self/maps").map(|maps| maps.lines().count() as i64);
    let jit = Jit::builder().threads(1).build()?;
    let inputs = read_all(paths)?;
    jit.main().add_file(object.as_ref())?;
    jit.main().address("cycle")?;
    let first = count()?;
    jit.main().add_objects(&inputs)?;
    jit.link(&[jit.main()])?;
    let more = count()? - first;
    if jit.main().run("main")? != 0 {
        return Err("the program gives a wrong sum".into());
    }
    println!("{{\"more_mappings\":{more}}}");
    Ok(())
}
