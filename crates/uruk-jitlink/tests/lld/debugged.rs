//! What debuggers are told of relaxed code: symbols, lines and unwind records of one object, as LLVM's tools read them.

use crate::machines::Compiler;
use crate::run;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use uruk_jitlink::debug::{self, Origin, Places};
use uruk_jitlink::fixup;
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Layout, Member, Share};
use uruk_jitlink::memory::Placement;
use uruk_jitlink::resolve::Targets;
use uruk_jitlink::tables::Tables;

/// Calls, so that code is cut, and functions whose first and last lines are known.
const SOURCE: &str = "int one(int x) {
    return x + 1;
}
int two(int x) {
    x = one(x);
    x = one(x);
    return one(x);
}
int three(int x) {
    return two(x) + one(x);
}
";
const FUNCTIONS: [(&str, u32, u32); 3] = [("one", 1, 3), ("two", 4, 8), ("three", 9, 11)];
const LANES: [u64; 3] = [0x10_0000, 0x20_0000, 0x30_0000];

/// Links the source's object and checks what its image says.
pub fn check(compiler: &Compiler) {
    let folder = tempfile::tempdir().unwrap();
    let (source, object, image) = (folder.path().join("a.c"), folder.path().join("a.o"), folder.path().join("image"));
    fs::write(&source, SOURCE).unwrap();
    let mut command = Command::new(compiler.c[0]);
    run(command
        .args(&compiler.c[1..])
        .args(["-O0", "-g", "-fasynchronous-unwind-tables", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object));
    let mut graph = crate::uruk::read(&object);
    let targets = Targets::new(&graph);
    let size = |graph: &LinkGraph| graph.blocks.iter().map(|block| block.size).sum::<u64>();
    let before = size(&graph);
    graph.arch().rewrite.unwrap()(&mut graph, &targets, &(LANES[0]..1 << 30)).unwrap();
    assert!(size(&graph) < before, "nothing was relaxed");
    let tables = Tables::plan(&graph, &targets, &(0..1 << 30));
    let mut members = vec![Member { graph, tables, share: Share::default() }];
    let mut layout = Layout::new(&mut members, &[], Placement::Near).unwrap();
    layout.place(&mut members, LANES);
    let member = &members[0];
    let places = Places::new(member, &targets, &fixup::addresses(member, &targets));
    let bytes = debug::image(&[(&member.graph.input, &places)], Origin { base: 0, threads: None }).unwrap();
    fs::write(&image, bytes).unwrap();
    let records = records(&image);
    assert_eq!(records.len(), FUNCTIONS.len());
    for (name, first, last) in FUNCTIONS {
        let symbol = member.graph.symbol(member.graph.find_symbol(name.as_bytes()).unwrap());
        let Definition::Block(block) = symbol.definition else { panic!("{name} is not defined") };
        let start = member.graph.block(block).address + symbol.value;
        let end = start + symbol.size;
        assert!(records.contains(&(start..end)), "{}: {name} is {start:#x}..{end:#x}: {records:x?}", compiler.name);
        assert_eq!(line(&image, start), (name.to_string(), first), "{}", compiler.name);
        // The return is in the line of its expression, or of the brace behind it.
        let (function, found) = line(&image, end - 2);
        assert!(function == name && (last - 1..=last).contains(&found), "{}: {function}, {found}", compiler.name);
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The function and the line of an address.
fn line(image: &Path, address: u64) -> (String, u32) {
    let mut command = Command::new("llvm-symbolizer-22");
    command.args(["--output-style=GNU", "-f", "--no-inlines", "-e"]).arg(image).arg(format!("{address:#x}"));
    let output = output(&mut command);
    let (function, place) = output.trim().split_once('\n').unwrap();
    let line = place.split(':').nth(1).unwrap().split(' ').next().unwrap();
    (function.to_string(), line.parse().unwrap())
}

/// What the unwind records describe.
fn records(image: &Path) -> Vec<Range<u64>> {
    let mut command = Command::new("llvm-dwarfdump-22");
    let output = output(command.arg("--eh-frame").arg(image));
    let ranges = output.lines().filter_map(|line| line.split_once("pc=")?.1.split_once("..."));
    let number = |digits: &str| u64::from_str_radix(digits.trim(), 16).unwrap();
    ranges.map(|(start, end)| number(start)..number(end)).collect()
}
