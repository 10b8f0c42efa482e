//! The LLVM half of `bench compile`: modules of LLVM IR through Uruk, LLVM's own LLJIT, and `lli`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::alone;
use crate::{paths, process};

/// Who compiles.
pub enum Peer {
    /// The benchmark of `uruk-llvm`.
    Uruk,
    /// `lljit_compile.c`.
    Lljit,
    /// The same benchmark, its process's whole time.
    UrukProcess,
    /// `lli-22`, its process's whole time.
    Lli,
}

/// A way to compile a module: its name in reports, who does it, its arguments before the file's name, and how many functions
/// the module has; nothing if it needs no module.
pub struct Way(pub &'static str, Peer, &'static [&'static str], Option<usize>);

#[rustfmt::skip]
pub const WAYS: &[Way] = &[
    Way("LLVM IR, LLJIT, 1,000",                 Peer::Lljit,       &[],                        Some(1_000)),
    Way("LLVM IR, 1,000",                        Peer::Uruk,        &["eager"],                 Some(1_000)),
    Way("LLVM IR, LLJIT, 10,000",                Peer::Lljit,       &[],                        Some(10_000)),
    Way("LLVM IR, 10,000",                       Peer::Uruk,        &["eager"],                 Some(10_000)),
    Way("LLVM IR, lazy, 10 of 10,000",           Peer::Uruk,        &["lazy"],                  Some(10_000)),
    Way("LLVM IR, lli lazy, 10 of 10,000",       Peer::Lli,         &["--jit-kind=orc-lazy", "--entry-function=entry"], Some(10_000)),
    Way("LLVM IR, lazy process, 10 of 10,000",   Peer::UrukProcess, &["lazy"],                  Some(10_000)),
    Way("LLVM IR, -O2, LLJIT, 10,000",           Peer::Lljit,       &["-O2"],                   Some(10_000)),
    Way("LLVM IR, -O2, 10,000",                  Peer::Uruk,        &["eager", "-O2"],          Some(10_000)),
    Way("LLVM IR, -O2, from a cache, 10,000",    Peer::Uruk,        &["cached", "-O2"],         Some(10_000)),
    Way("kernel, by Cranelift",                  Peer::Uruk,        &["quick"],                 None),
    Way("kernel, then by LLVM",                  Peer::Uruk,        &["thorough"],              None),
];

/// What is compiled, and the programs that do it.
pub struct Bench {
    own: PathBuf,
    lljit: PathBuf,
    folder: PathBuf,
}

impl Bench {
    /// Builds the programs, writes the modules and fills the cache.
    pub fn new() -> Result<Bench> {
        let folder = paths::target_folder("bench-run")?;
        let bench =
            Bench { own: super::compile::build("uruk-llvm")?, lljit: alone::peer(&folder, "lljit_compile.c")?, folder };
        for functions in WAYS.iter().filter_map(|way| way.3) {
            let (text, bitcode) = (bench.module(functions).with_extension("ll"), bench.module(functions));
            std::fs::write(&text, module(functions)).with_context(|| format!("cannot write {}", text.display()))?;
            process::capture(Command::new("llvm-as-22").arg(&text).arg("-o").arg(&bitcode))?;
        }
        for way in WAYS.iter().filter(|way| way.2.contains(&"cached")) {
            bench.sample(way)?;
        }
        Ok(bench)
    }

    fn module(&self, functions: usize) -> PathBuf {
        self.folder.join(format!("functions-{functions}.bc"))
    }

    /// Milliseconds of one run.
    pub fn sample(&self, Way(_, peer, arguments, functions): &Way) -> Result<f64> {
        let program = match peer {
            Peer::Uruk | Peer::UrukProcess => &*self.own,
            Peer::Lljit => &*self.lljit,
            Peer::Lli => Path::new("lli-22"),
        };
        let mut command = Command::new(program);
        command.args(*arguments).args(functions.map(|functions| self.module(functions)));
        if matches!(peer, Peer::Uruk | Peer::Lljit) {
            return super::compile::milliseconds(&mut command);
        }
        let start = Instant::now();
        // The status is what the entry returns.
        command.output().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}

/// A module of functions with a loop, a branch and two memory accesses each, of which `entry` calls ten.
fn module(functions: usize) -> String {
    const CALLED: usize = 10;
    let mut text = String::from("@data = internal global [64 x i64] zeroinitializer\n");
    for number in 0..functions {
        let _ = write!(
            text,
            "define i64 @f{number}(i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %join ]
  %sum = phi i64 [ {number}, %entry ], [ %new, %join ]
  %slot = and i64 %i, 63
  %place = getelementptr [64 x i64], ptr @data, i64 0, i64 %slot
  %old = load i64, ptr %place
  %odd = and i64 %i, 1
  %is = icmp eq i64 %odd, 0
  br i1 %is, label %even, label %join
even:
  %scaled = mul i64 %old, {factor}
  %mixed = xor i64 %scaled, %sum
  br label %join
join:
  %value = phi i64 [ %old, %loop ], [ %mixed, %even ]
  %new = add i64 %sum, %value
  store i64 %new, ptr %place
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  ret i64 %new
}}
",
            factor = number % 97 + 3
        );
    }
    text += "define i64 @entry() {\n";
    let mut sum = String::from("0");
    for number in 0..CALLED {
        let callee = number * (functions / CALLED);
        let _ = write!(text, "  %r{number} = call i64 @f{callee}(i64 8)\n  %s{number} = add i64 {sum}, %r{number}\n");
        sum = format!("%s{number}");
    }
    let _ = write!(text, "  ret i64 {sum}\n}}\n");
    text
}
