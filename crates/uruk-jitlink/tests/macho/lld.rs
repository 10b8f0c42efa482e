//! Random objects, linked by `ld64.lld` and, at the same addresses, here.

use super::assemble::assemble;
use super::link::{read, write};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::HashMap;
use std::fmt::Write;
use std::process::Command;
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Member, Share};
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;

const FUNCTIONS: u64 = 6;
const VARIABLES: u64 = 8;

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    /// A function or variable of either object, perhaps with something added.
    fn variable(&mut self) -> String {
        let number = self.below(VARIABLES);
        match self.below(3) {
            0 => format!("_v{number}"),
            1 => format!("_v{number}+{}", 8 * self.below(4)),
            _ => format!("_v{number}-{}", 8 * self.below(4)),
        }
    }

    fn function(&mut self) -> String {
        format!("_f{}", self.below(FUNCTIONS))
    }
}

fn instruction(arch: &str, random: &mut Random) -> String {
    let (function, variable, plain) = (random.function(), random.variable(), random.below(VARIABLES));
    if arch == "arm64" {
        // clang writes a wrong type where less than nothing is added.
        let variable = variable.replace('-', "+");
        return match random.below(6) {
            0 => format!("bl {function}"),
            1 => format!("b {function} + 4"),
            2 => format!("adrp x3, {variable}@PAGE\nadd x3, x3, {variable}@PAGEOFF"),
            3 => format!("adrp x4, _v{plain}@PAGE\nldr w5, [x4, _v{plain}@PAGEOFF]"),
            4 => format!("adrp x6, _v{plain}@PAGE\nstr d0, [x6, _v{plain}@PAGEOFF]"),
            _ => format!("adrp x7, {function}@GOTPAGE\nldr x7, [x7, {function}@GOTPAGEOFF]"),
        };
    }
    match random.below(8) {
        0 => format!("callq {function}"),
        1 => format!("jne {function}"),
        2 => format!("leaq {variable}(%rip), %rdx"),
        3 => format!("movl $5, {variable}(%rip)"),
        4 => format!("movw $5, {variable}(%rip)"),
        5 => format!("movb $5, {variable}(%rip)"),
        6 => format!("movq {function}@GOTPCREL(%rip), %r9"),
        _ => "leaq L_text(%rip), %rax".into(),
    }
}

fn datum(random: &mut Random, part: u64, own: &str) -> String {
    let (function, variable) = (random.function(), random.variable());
    // Assemblers want to know both ends of a distance.
    let near = format!("_v{}", part + 2 * random.below(VARIABLES / 2));
    let code = format!("_f{}", part + 2 * random.below(FUNCTIONS / 2));
    match random.below(5) {
        0 => format!(".quad {function} + {}", random.below(9)),
        1 => format!(".quad {variable}"),
        2 => format!(".quad {code} - {own}"),
        3 => format!(".long {near} - {own}\n.long {code} - {near} + 4"),
        _ => format!(".quad 0x{:x}", random.below(1 << 40)),
    }
}

/// One of the two objects, which has the functions and variables whose numbers are `part` modulo 2.
fn source(arch: &str, part: u64, random: &mut Random) -> String {
    let mut text = String::from(".text\n");
    for number in (part..FUNCTIONS).step_by(2) {
        let _ = writeln!(text, ".globl _f{number}\n.p2align 2\n_f{number}:");
        for _ in 0..random.below(12) {
            let _ = writeln!(text, "{}", instruction(arch, random));
        }
        text += if arch == "arm64" { "ret\n" } else { "retq\n" };
    }
    text += ".cstring\nL_other: .asciz \"other\"\nL_text: .asciz \"text\"\n.data\n";
    for number in (part..VARIABLES).step_by(2) {
        let own = format!("_v{number}");
        let _ = writeln!(text, ".globl {own}\n.p2align 3\n{own}:");
        for _ in 0..1 + random.below(6) {
            let _ = writeln!(text, "{}", datum(random, part, &own));
        }
    }
    text + ".subsections_via_symbols\n"
}

/// Links two random objects both ways.
#[track_caller]
pub fn compare(arch: &str, seed: u64) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (seed + 1));
    let folder = tempfile::tempdir().unwrap();
    let objects = [0, 1].map(|part| assemble(arch, &source(arch, part, &mut random)));
    let paths = [0, 1].map(|part| folder.path().join(format!("{part}.o")));
    for (object, path) in objects.iter().zip(&paths) {
        std::fs::write(path, object).unwrap();
    }
    let image = folder.path().join("image");
    let options = ["-platform_version", "macos", "13", "13", "-dylib", "-no_fixup_chains", "-no_deduplicate"];
    let mut command = Command::new("ld64.lld-22");
    let output = command.args(["-arch", arch]).args(options).args(&paths).arg("-o").arg(&image).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let image = std::fs::read(image).unwrap();
    let image = object::File::parse(&*image).unwrap();
    let places: HashMap<&[u8], u64> =
        image.symbols().map(|symbol| (symbol.name_bytes().unwrap(), symbol.address())).collect();
    let strings = image.section_by_name("__cstring").map(|section| (section.address(), section.data().unwrap()));
    let mut compared = 0;
    for object in objects {
        let graph = read(object);
        let mut targets = Targets::new(&graph);
        for (id, symbol) in graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined) {
            let _ = symbol;
            targets.set(id, Target::Known(places[graph.symbol_name(id)]));
        }
        let mut member = Member { graph, tables: Tables::default(), share: Share::default() };
        place(&mut member.graph, &places, strings);
        for section in image.sections() {
            let (address, theirs) = (section.address(), section.data().unwrap());
            let mut ours = theirs.to_vec();
            write(&member, &targets, address, &mut ours).unwrap();
            assert_eq!(ours, theirs, "{arch}, seed {seed}, {:?}", section.name());
        }
        compared += member.graph.edges.len();
    }
    assert!(20 < compared, "{compared} edges are few");
}

/// Puts each block where the image has its symbol, or its text.
fn place(graph: &mut LinkGraph, places: &HashMap<&[u8], u64>, strings: Option<(u64, &[u8])>) {
    for (id, symbol) in graph.globals().map(|(id, symbol)| (id, symbol.clone())).collect::<Vec<_>>() {
        if let Definition::Block(block) = symbol.definition {
            graph.blocks[block.0 as usize].address = places[graph.symbol_name(id)] - symbol.value;
        }
    }
    for index in 0..graph.blocks.len() {
        let content = graph.content(&graph.blocks[index]).to_vec();
        if let Some((start, text)) = strings
            && graph.section_name(graph.blocks[index].section) == b"__TEXT,__cstring"
            && let Some(at) = text.windows(content.len()).position(|window| window == content)
        {
            graph.blocks[index].address = start + at as u64;
        }
    }
}
