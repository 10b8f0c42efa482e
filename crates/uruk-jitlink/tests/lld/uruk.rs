//! The same objects through the linker, each block at the address where `ld.lld` has put it, and what differs.

use crate::lld::Linked;
use crate::machines::Machine;
use std::path::Path;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format;
use uruk_jitlink::graph::*;
use uruk_jitlink::input::Input;
use uruk_jitlink::layout::{Member, Share, lane};
use uruk_jitlink::names::Names;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::{Questions, Variable, static_answer};

/// What was compared.
#[derive(Clone, Copy, Default, Debug)]
pub struct Compared {
    /// Bytes of blocks.
    pub bytes: u64,
    /// Edges in these.
    pub edges: usize,
    /// Edges that were left out, as nobody can say which of several slots with the same content the other linker has taken.
    pub left_out: usize,
}

/// Reads an object.
pub fn read(path: &Path) -> LinkGraph {
    let input = Input::from_bytes(path.display().to_string(), std::fs::read(path).unwrap());
    format::read(&input, &Names::default()).unwrap()
}

/// Names that an object refers to and nobody in the set defines, and whether they are thread-local.
pub fn undefined(graphs: &[LinkGraph]) -> Vec<(Vec<u8>, bool)> {
    let names = |defined: bool| {
        let of = move |graph: &LinkGraph| -> Vec<(Vec<u8>, bool)> {
            let globals = graph.globals().filter(|(_, symbol)| (symbol.definition != Definition::Undefined) == defined);
            let name = |(id, symbol): (SymbolId, &Symbol)| {
                (graph.symbol_name(id).to_vec(), symbol.kind == SymbolKind::ThreadLocal)
            };
            globals.map(name).collect()
        };
        graphs.iter().flat_map(of).collect::<std::collections::BTreeMap<_, _>>()
    };
    let defined = names(true);
    names(false).into_iter().filter(|(name, _)| !defined.contains_key(name)).collect()
}

/// Compares each block, byte by byte.
pub fn compare(graphs: Vec<LinkGraph>, machine: &Machine, linked: &mut Linked) -> Compared {
    let span = linked.span();
    let mut others = Vec::new();
    let (mut members, mut targets) = (Vec::new(), Vec::new());
    for mut graph in graphs {
        (machine.prepare)(&mut graph);
        place(&mut graph, linked);
        let target = resolve(&graph, linked, &mut others);
        // Loads of thread-local variables' offsets the other linker relaxes in any case.
        graph.wants.iter_mut().for_each(|want| want.relaxable &= machine.relax || want.entry == Entry::ThreadOffset);
        let tables = Tables::plan(&graph, &target, &span);
        let share = Share { got: linked.got.0, ..Share::default() };
        members.push(Member { graph, tables, share });
        targets.push(target);
    }
    let questions = Questions::gather(&members, &targets);
    let (_, size, align) = linked.threads;
    let answer = |(variable, question): &(Variable, _)| {
        let threads = &members[0].graph.arch().threads;
        let offset = match variable {
            Variable::Own(offset) => *offset,
            Variable::Other(number) => others[*number as usize],
        };
        static_answer(threads, *question, offset, size, align.max(1).trailing_zeros() as u8)
    };
    let answers: Vec<[u64; 2]> = questions.asked.iter().map(answer).collect();
    let threads = Threads { questions: &questions, answers: &answers };
    let mut windows = [(); 3].map(|()| vec![0; (span.end - span.start) as usize]);
    let mut compared = Compared::default();
    for (mut member, targets) in members.into_iter().zip(&targets) {
        let addresses = fixup::addresses(&member, targets);
        let unknown = take_slots(&mut member, &addresses, linked, targets, threads);
        let fixup = Fixup { member: &member, targets, addresses: &addresses, threads, image: 0 };
        let mut lanes = windows.each_mut().map(|bytes| Window { address: span.start, bytes });
        fixup.write(&mut lanes).unwrap();
        let mut image = vec![0; size as usize];
        fixup.write_thread_image(&mut image).unwrap();
        let mut image = Window { address: 0, bytes: &mut image };
        let filled = |block: &&Block| block.live && block.size != 0 && block.content != Content::Zero;
        for block in member.graph.blocks.iter().filter(filled) {
            let (window, base) = match lane(member.graph.section(block.section).kind) {
                Some(lane) => (&mut lanes[lane as usize], 0),
                None => (&mut image, linked.threads.0),
            };
            let ours = window.at(block.address, block.size).unwrap();
            let theirs = linked.bytes(base + block.address, block.size).unwrap();
            compare_block(&member.graph, block, ours, theirs, &unknown, &mut compared);
        }
    }
    compared
}

/// Gives each block its address; blocks that the other linker has dropped are dropped, and so are unwind records, which it
/// writes anew.
fn place(graph: &mut LinkGraph, linked: &mut Linked) {
    let file = graph.input.name().to_string();
    for index in 0..graph.blocks.len() {
        let block = &graph.blocks[index];
        let (section, kind) = (block.section, graph.section(block.section).kind);
        let found = linked.take(&file, graph.section_name(section));
        let block = &mut graph.blocks[index];
        match found {
            Some(address) if kind != SectionKind::EhFrame => {
                block.address = if kind.is_thread_local() { address - linked.threads.0 } else { address };
            }
            _ => block.live = kind != SectionKind::EhFrame && block.size == 0,
        }
    }
    let commons: Vec<SymbolId> =
        graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Common).map(|(id, _)| id).collect();
    for id in commons {
        let symbol = &mut graph.symbols[id.0 as usize];
        symbol.definition = Definition::Undefined;
    }
}

/// Lets every global symbol be what the other linker says it is.
fn resolve(graph: &LinkGraph, linked: &Linked, others: &mut Vec<u64>) -> Targets {
    let mut targets = Targets::new(graph);
    for (id, symbol) in graph.globals() {
        let name = graph.symbol_name(id);
        let Some(address) = linked.symbol(name) else { continue };
        if symbol.kind == SymbolKind::ThreadLocal {
            let own = match symbol.definition {
                Definition::Block(block) if graph.block(block).live => Some(graph.block(block).address + symbol.value),
                _ => None,
            };
            if own != Some(address) {
                targets.set(id, Target::ThreadLocal(others.len() as u32));
                others.push(address);
            }
        } else {
            targets.set(id, Target::Known(address));
        }
    }
    targets
}

/// Finds the slots that the other linker has made, by what they hold. Returned are symbols whose slot is one of several.
fn take_slots(
    member: &mut Member,
    addresses: &[u64],
    linked: &Linked,
    targets: &Targets,
    threads: Threads<'_>,
) -> Vec<SymbolId> {
    let size = member.graph.arch().slot_size as usize;
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let slots: Vec<u64> = linked.got.1.chunks_exact(size).map(word).collect();
    let mask = u64::MAX >> (64 - 8 * size);
    let mut unknown = Vec::new();
    for index in 0..member.tables.planned.len() {
        let planned = member.tables.planned[index];
        let words = match uruk_jitlink::tls::question(planned.entry) {
            None => vec![addresses[planned.symbol.0 as usize] & mask],
            Some(question) => {
                let variable =
                    uruk_jitlink::tls::entry_variable(&member.graph, targets, planned.symbol, planned.entry).unwrap();
                let answer = threads.questions.answer(threads.answers, variable, question).unwrap();
                let count = if planned.entry == Entry::ThreadOffset { 1 } else { 2 };
                answer[..count].iter().map(|word| word & mask).collect()
            }
        };
        let found: Vec<usize> =
            slots.windows(words.len()).enumerate().filter(|(_, slot)| *slot == words).map(|(at, _)| at).collect();
        let name = String::from_utf8_lossy(member.graph.symbol_name(planned.symbol));
        assert!(!found.is_empty(), "{}: no slot for `{name}` holds {words:x?}", member.graph.input.name());
        if found.len() != 1 {
            unknown.push(planned.symbol);
        }
        member.tables.planned[index].index = found[0] as u32;
    }
    unknown
}

fn compare_block(
    graph: &LinkGraph,
    block: &Block,
    ours: &[u8],
    theirs: &[u8],
    unknown: &[SymbolId],
    compared: &mut Compared,
) {
    let (mut ours, mut theirs) = (ours.to_vec(), theirs.to_vec());
    compared.bytes += block.size;
    for edge in graph.edges(block) {
        let info = graph.arch().info(edge.kind);
        compared.edges += 1;
        if is_unknown(graph, edge, unknown) {
            compared.left_out += 1;
            let field = edge.offset as usize..(u64::from(edge.offset) + info.field.size()) as usize;
            ours[field.clone()].fill(0);
            theirs[field].fill(0);
        }
    }
    let Some(at) = (0..ours.len()).find(|at| ours[*at] != theirs[*at]) else { return };
    let edge = graph.edges(block).iter().rfind(|edge| edge.offset as usize <= at);
    let kind = edge.map_or("no relocation", |edge| (graph.format.relocation)(edge.kind));
    let symbol = edge.map(|edge| String::from_utf8_lossy(graph.symbol_name(edge.target)).into_owned());
    let end = (at + 8).min(ours.len());
    panic!(
        "{}: {kind} to {symbol:?} at {:#x}: {:02x?}, but ld.lld has {:02x?}",
        graph.place(block, at as u64),
        block.address + at as u64,
        &ours[at..end],
        &theirs[at..end],
    );
}

/// Whether an edge, or the first of its pair, refers to a slot that may be another.
fn is_unknown(graph: &LinkGraph, edge: &Edge, unknown: &[SymbolId]) -> bool {
    use uruk_jitlink::arch::Value;
    let info = graph.arch().info(edge.kind);
    if info.value == Value::Paired {
        let symbol = graph.symbol(edge.target);
        let Definition::Block(block) = symbol.definition else { return false };
        let edges = graph.edges(graph.block(block));
        return edges.iter().any(|first| u64::from(first.offset) == symbol.value && is_unknown(graph, first, unknown));
    }
    info.entry.is_some_and(|entry| entry != Entry::Stub) && unknown.contains(&edge.target)
}
