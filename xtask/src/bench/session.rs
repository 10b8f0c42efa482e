//! The task `bench session`: what operations of the session cost, beside LLVM's LLJIT.
//!
//! Runs the benchmark `session` of the library and `lljit_session.c` in turn, whose lines (`name<TAB>median<TAB>best`) have
//! the same names, and writes a table with ratios and whether the targets hold to target/report/session.md.
//! Of the runs the best counts: work of others on the machine only ever adds.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::alone;
use crate::{paths, process};

/// What a figure has to be, at most.
enum Target {
    /// This number.
    Of(f64),
    /// So much more than another figure.
    Above(&'static str, f64),
    /// So many times another figure.
    Times(&'static str, f64),
}
use Target::{Above, Of, Times};

/// Of an operation whose cost is the same for each of any number, measured: larger ones miss the caches.
const LINEAR: f64 = 2.0;

#[rustfmt::skip]
const TARGETS: &[(&str, Target)] = &[
    ("memory of an absolute symbol, bytes",           Of(120.0)),
    ("look-up by name, 10,000",                       Of(30.0)),
    ("look-up by name from two threads, 10,000",      Of(30.0)),
    ("handle by name, 10,000",                        Above("look-up by name, 10,000", 15.0)),
    ("look-up by string, 1,000,000",                  Of(300.0)),
    ("absent name",                                   Of(100.0)),
    ("absent name with the process's symbols",        Of(250.0)),
    ("absolute symbol defined, 10,000",               Of(80.0)),
    ("absolute symbol defined, 1,000,000",            Of(250.0)),
    ("absolute symbol defined in one call, 1,000,000", Of(120.0)),
    ("query for 100,000 absolute symbols, each",      Of(100.0)),
    ("session made",                                  Of(30_000.0)),
    ("JIT made",                                      Of(30_000.0)),
    ("chain of 100,000 units, each",                  Times("chain of 10,000 units, each", LINEAR)),
    ("ring of 100,000 units, each",                   Times("ring of 10,000 units, each", LINEAR)),
    ("lazy function defined and looked up",           Of(150.0)),
    ("first call of a lazy function",                 Of(2000.0)),
];

/// The figures of one program: name, median and best, in the order in which they are printed.
#[derive(Default)]
struct Figures(Vec<(String, f64, f64)>);

impl Figures {
    /// Adds a run's lines; of each figure the smaller numbers count.
    fn add(&mut self, printed: &str) -> Result<()> {
        for line in printed.lines() {
            let [name, median, best] = line.split('\t').collect::<Vec<_>>()[..] else { bail!("`{line}` is no figure") };
            let (median, best): (f64, f64) = (median.parse()?, best.parse()?);
            match self.0.iter_mut().find(|figure| figure.0 == name) {
                Some(figure) => (figure.1, figure.2) = (figure.1.min(median), figure.2.min(best)),
                None => self.0.push((name.to_owned(), median, best)),
            }
        }
        Ok(())
    }

    fn medians(&self) -> HashMap<&str, f64> {
        self.0.iter().map(|(name, median, _)| (name.as_str(), *median)).collect()
    }
}

/// The task `bench session`.
pub fn run(arguments: &[String]) -> Result<bool> {
    let samples = match arguments {
        [] => 3,
        [option, count] if option == "--samples" => count.parse().context("--samples")?,
        _ => bail!("usage: cargo xtask bench session [--samples N]"),
    };
    let mut own = Command::new(env!("CARGO"));
    own.args(["bench", "--quiet", "--package", "uruk", "--bench", "session"]).current_dir(paths::root());
    let peer = alone::peer(&paths::target_folder("bench-run")?, "lljit_session.c");
    if let Err(reason) = &peer {
        println!("LLJIT is not measured: {reason:#}");
    }
    let (mut ours, mut theirs) = (Figures::default(), Figures::default());
    for _ in 0..samples {
        ours.add(&process::capture(&mut own)?)?;
        if let Ok(peer) = &peer {
            theirs.add(&process::capture(&mut Command::new(peer))?)?;
        }
    }
    let (text, all_hold) = report(&ours, &theirs, &peer);
    let path = paths::target_folder("report")?.join("session.md");
    paths::write_whole(&path, text.as_bytes())?;
    println!("\n{text}\n{}", path.display());
    Ok(all_hold)
}

/// The table, and whether every target holds.
fn report(ours: &Figures, theirs: &Figures, peer: &Result<PathBuf>) -> (String, bool) {
    let mut text = String::from("# What operations of the session cost\n\n");
    match peer {
        Ok(_) => text += "Nanoseconds each if not said; LLJIT is that of LLVM 22, in the same run.\n\n",
        Err(reason) => _ = writeln!(text, "Nanoseconds each if not said; LLJIT is not measured: {reason:#}.\n"),
    }
    text += "| what | Uruk | best | LLJIT | LLJIT / Uruk | target | holds |\n|---|---|---|---|---|---|---|\n";
    let (medians, peers) = (ours.medians(), theirs.medians());
    let mut all_hold = true;
    for (name, median, best) in &ours.0 {
        _ = write!(text, "| {name} | {median:.1} | {best:.1} |");
        match peers.get(name.as_str()) {
            Some(peer) => _ = write!(text, " {peer:.1} | {:.1} |", peer / median),
            None => text += " – | – |",
        }
        let target = TARGETS.iter().find(|target| target.0 == name).and_then(|(_, target)| target.against(&medians));
        match target {
            Some(target) => {
                let holds = *median <= target;
                all_hold &= holds;
                _ = writeln!(text, " {target:.0} | {} |", if holds { "yes" } else { "**no**" });
            }
            None => text += " – | – |\n",
        }
    }
    for (name, _) in TARGETS.iter().filter(|(name, _)| !medians.contains_key(name)) {
        all_hold = false;
        _ = writeln!(text, "\nNot measured: {name}.");
    }
    (text, all_hold)
}

impl Target {
    /// The number that it comes to.
    fn against(&self, medians: &HashMap<&str, f64>) -> Option<f64> {
        match *self {
            Of(number) => Some(number),
            Above(other, more) => Some(medians.get(other)? + more),
            Times(other, factor) => Some(medians.get(other)? * factor),
        }
    }
}
