//! The task `bench image`: what it costs to start a frozen world, beside C programs with the same data that the system's linker has
//! made; and to freeze it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ways::middle;
use crate::paths;
use crate::process::{End, capture, measure};

/// What a start may take of a C program's.
const OWN: f64 = 1.1;
const EXTERNAL: f64 = 1.2;
/// What freezing may take, in milliseconds.
const BUILD: f64 = 2_000.0;

/// As in `uruk-image`'s example `freeze`.
const PAIRS: usize = 500_000;
const FIELDS: usize = 100_000;
const NAMES: usize = 1_000;

/// It looks at the last pointer, so that nothing can be left to do.
const MAIN: &str = "extern void *data[]; int main(void) { return data[1] == 0; }\n";

/// The task `bench image`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let options = super::options(arguments)?;
    super::build_release(&["uruk-image", "--example", "freeze"])?;
    let folder = paths::target_folder("bench-image")?;
    let peers = peers(&folder)?;
    let mut freeze = Command::new(paths::target().join("release/examples/freeze"));
    let c_library = capture(Command::new("cc").arg("-print-file-name=libc.so.6"))?;
    freeze.arg(folder.join("main.o")).arg(folder.join("libvalues.so")).arg(c_library.trim()).arg(&folder);
    let mut build: [Vec<f64>; 5] = Default::default();
    for _ in 0..options.samples.clamp(1, 5) {
        let printed: serde_json::Value = serde_json::from_str(&capture(&mut freeze)?)?;
        for (name, taken) in ["added_ms", "traced_ms", "written_ms", "mapped_ms", "library_ms"].iter().zip(&mut build) {
            taken.push(printed[name].as_f64().context("the example prints no such figure")?);
        }
    }
    let images = ["own", "own-fixed", "externals"].map(|name| folder.join(name));
    for image in &images {
        capture(Command::new("chmod").arg("+x").arg(image))?;
    }
    let mut taken: Vec<[Vec<f64>; 2]> = vec![Default::default(); images.len()];
    for _ in 0..options.samples.max(3) * 5 {
        for ((image, peer), taken) in images.iter().zip(&peers).zip(&mut taken) {
            for (program, taken) in [image, peer].into_iter().zip(taken) {
                taken.push(start(program, &folder)?);
            }
        }
    }
    let rows = [
        ("1,000,000 own pointers, anywhere", OWN),
        ("1,000,000 own pointers, at a fixed address", OWN),
        ("100,000 fields of 1,000 names", EXTERNAL),
    ];
    let mut text = String::from(
        "# What images cost\n\n| start, ms | image | C program | ratio | at most |\n|---|---|---|---|---|\n",
    );
    let mut all_hold = true;
    for ((what, most), [image, peer]) in rows.into_iter().zip(taken) {
        let (image, peer) = (middle(image), middle(peer));
        writeln!(text, "| {what} | {image:.2} | {peer:.2} | {:.2} | {most} |", image / peer)?;
        all_hold &= image / peer <= most;
    }
    let [added, traced, written, mapped, library] = build.map(middle);
    writeln!(
        text,
        "\n500,000 objects: described in {added:.0} ms, traced in {traced:.0}, written in {written:.0} (at most {BUILD} in all)\n\n\
         1,000,000 own pointers in a running process: {mapped:.2} ms to load a mappable image, its digest included; {library:.2} to `dlopen` a \
         shared object of the same"
    )?;
    all_hold &= added + traced + written <= BUILD;
    println!("{text}");
    paths::write_whole(&paths::target_folder("report")?.join("image.md"), text.as_bytes())?;
    Ok(all_hold)
}

/// A start and an end, in milliseconds.
fn start(program: &Path, folder: &Path) -> Result<f64> {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", folder);
    let usage = measure(&mut command, &folder.join("stdout"), &folder.join("stderr"), Duration::from_secs(60))?;
    ensure!(usage.end == End::Status(0), "{}: {}", program.display(), usage.end);
    Ok(usage.wall_ms)
}

/// The programs that the system's linker makes of the same data, in the order of the images.
fn peers(folder: &Path) -> Result<[PathBuf; 3]> {
    let write = |name: &str, text: &str| paths::write_whole(&folder.join(name), text.as_bytes());
    let compile = |arguments: &[&str]| capture(Command::new("cc").args(arguments).current_dir(folder));
    let header = ".section .data.rel,\"aw\",@progbits\n.globl data\n.type data,@object\n.balign 16\ndata:\n";
    let mut own = String::from(header);
    for number in 0..PAIRS {
        writeln!(own, ".quad data+{}, data+{}", (number + 1) % PAIRS * 16, number * 7 % PAIRS * 16)?;
    }
    let mut externals = format!("{header}.quad {FIELDS}\n");
    let (mut values, mut end) = (String::new(), String::new());
    for number in 0..FIELDS {
        writeln!(externals, ".quad value_{}", number % NAMES)?;
    }
    for number in 0..NAMES {
        writeln!(values, "int value_{number} = {number};")?;
    }
    end.push_str(".size data, .-data\n.section .note.GNU-stack,\"\",@progbits\n");
    write("own.s", &(own + &end))?;
    write("externals.s", &(externals + &end))?;
    write("values.c", &values)?;
    write("main.c", MAIN)?;
    compile(&["-O2", "-fPIE", "-c", "main.c"])?;
    compile(&["-shared", "-fPIC", "values.c", "-o", "libvalues.so", "-Wl,-soname,libvalues.so"])?;
    compile(&["-pie", "main.o", "own.s", "-o", "c-own", "-Wl,-z,pack-relative-relocs,-z,now"])?;
    compile(&["-no-pie", "main.o", "own.s", "-o", "c-fixed", "-Wl,-z,now"])?;
    compile(&[
        "-pie",
        "main.o",
        "externals.s",
        "libvalues.so",
        "-o",
        "c-externals",
        "-Wl,-z,pack-relative-relocs,-z,now",
    ])?;
    Ok(["c-own", "c-fixed", "c-externals"].map(|name| folder.join(name)))
}
