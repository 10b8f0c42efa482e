//! The task `bench c`: what the C interface costs. A program's objects are linked by a program in C, with the library's memory and with
//! a manager of the program's own; and a function that was found before is looked up, from C and from Rust.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result};

use super::ways::middle;
use super::{Options, alone, workloads};
use crate::{paths, process};

/// What a manager of one's own may take of the library's time.
const MANAGER: f64 = 1.05;
/// What a look-up from C may take of one from Rust.
const LOOKUP: f64 = 1.2;

/// The task `bench c`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let options = super::options(arguments)?;
    super::build_release(&["uruk-capi"])?;
    super::build_release(&["uruk", "--example", "measure"])?;
    let (folder, release) = (paths::target_folder("bench-run")?, paths::target().join("release"));
    let program = folder.join("capi");
    let mut compiler = Command::new("cc");
    compiler.arg("-O2");
    for headers in ["include", "tests/c"] {
        compiler.arg("-I").arg(paths::root().join("crates/uruk-capi").join(headers));
    }
    compiler.arg(paths::root().join("xtask/src/bench/capi.c")).arg("-o").arg(&program);
    // Linked whole, so that no loader has to be told where it is.
    compiler.arg(release.join("liburuk_c.a")).args(["-lm", "-lpthread", "-ldl", "-lgcc_s"]);
    process::capture(&mut compiler)?;
    let object = alone::small_object(&folder)?;
    let wanted = Options { filter: "sqlite / gcc".into(), large: false, samples: options.samples, uruk: None };
    let workload = workloads(&wanted)?.into_iter().next().context("SQLite's objects are gone")?;

    let mut taken: [Vec<f64>; 4] = Default::default();
    for _ in 0..options.samples {
        for (memory, taken) in ["stock", "custom"].iter().zip(&mut taken) {
            taken.push(alone::one(Command::new(&program).args(["link", memory]).args(&workload.objects), "link_us")?);
        }
        let mut rust = Command::new(release.join("examples/measure"));
        taken[2].push(alone::one(rust.arg("lookup").arg(&object), "lookup_ns")?);
        taken[3].push(alone::one(Command::new(&program).arg("lookup").arg(&object), "lookup_ns")?);
    }
    let [stock, custom, rust, c] = taken.map(middle);
    let rows = [
        ("SQLite linked and removed, us", "the library's memory", stock, "a manager in C", custom, MANAGER),
        ("a look-up, ns", "from Rust", rust, "from C", c, LOOKUP),
    ];
    let mut text = String::from(
        "# What the C interface costs\n\n| what | | | | | ratio | at most |\n|---|---|---|---|---|---|---|\n",
    );
    let mut all_hold = true;
    for (what, one, first, other, second, most) in rows {
        writeln!(text, "| {what} | {one} | {first:.1} | {other} | {second:.1} | {:.2} | {most} |", second / first)?;
        all_hold &= second / first <= most;
    }
    println!("{text}");
    paths::write_whole(&paths::target_folder("report")?.join("capi.md"), text.as_bytes())?;
    Ok(all_hold)
}
