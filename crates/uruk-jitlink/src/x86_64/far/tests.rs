//! The pass over whole graphs: that near targets change nothing, and that damaged objects are no danger.

use super::*;
use crate::elf;
use crate::input::Input;
use crate::names::Names;
use crate::prune;
use std::process::Command;

const SOURCE: &str = r#"
#include <stdexcept>
extern int far_data[], (*far_call)(int);
int attempt(int n) {
    try { far_data[n] += far_call(n); }
    catch (const std::out_of_range &) { return far_data[0]; }
    catch (...) { return 2; }
    return far_data == &far_data[n];
}
"#;

const LOW: Range<u64> = 0x1000_0000..0x2000_0000;
const AWAY: u64 = 0x7f00_0000_1000;

fn object() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("far.cpp"), folder.path().join("far.o"));
    std::fs::write(&source, SOURCE).unwrap();
    let mut command = Command::new("c++");
    command.args(["-fno-pic", "-O1", "-c"]).arg(&source).arg("-o").arg(&object);
    assert!(command.status().unwrap().success());
    std::fs::read(object).unwrap()
}

/// Reads an object, says that all it needs lies at an address, and rewrites it.
fn rewritten(bytes: Vec<u8>, address: u64) -> Option<LinkGraph> {
    let mut graph = elf::read(&Input::from_bytes("far.o", bytes), &Names::default()).ok()?;
    let mut targets = Targets::new(&graph);
    let undefined = graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined);
    let undefined: Vec<SymbolId> = undefined.map(|(id, _)| id).collect();
    for id in undefined {
        targets.set(id, Target::Known(address));
    }
    prune::drop_unwind_records(&mut graph).ok()?;
    rewrite(&mut graph, &targets, &LOW);
    Some(graph)
}

#[test]
fn near_targets_change_nothing() {
    let graph = rewritten(object(), 0x1800_0000).unwrap();
    let before = elf::read(&Input::from_bytes("far.o", object()), &Names::default()).unwrap();
    assert_eq!((graph.blocks.len(), graph.edges.len()), (before.blocks.len(), before.edges.len()));
}

#[test]
fn far_targets_bring_thunks_records_and_slots() {
    let graph = rewritten(object(), AWAY).unwrap();
    let made = |kind| graph.blocks.iter().filter(|block| is_made(&graph, block, kind)).count();
    assert_eq!([SectionKind::Code, SectionKind::EhFrame, SectionKind::ReadOnly].map(made), [1, 1, 1]);
    for block in graph.blocks.iter().filter(|block| block.live) {
        let edges = graph.edges(block);
        assert!(edges.is_sorted_by_key(|edge| edge.offset));
        let ends =
            edges.iter().map(|edge| u64::from(edge.offset) + crate::x86_64::ARCHITECTURE.info(edge.kind).field.size());
        assert!(ends.max() <= Some(block.size));
    }
}

fn is_made(graph: &LinkGraph, block: &Block, kind: SectionKind) -> bool {
    let section = graph.section(block.section);
    section.kind == kind && section.name.is_empty()
}

#[test]
fn damaged_objects_are_no_danger() {
    let whole = object();
    let mut random = 1u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as usize % below
    };
    let mut survived = 0;
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + next(6) {
            let at = next(bytes.len());
            bytes[at] = [0, 1, 0x7f, 0xff, next(256) as u8][next(5)];
        }
        // Every edge must still lie in its block, which is what fixing up relies on.
        let Some(graph) = rewritten(bytes, AWAY) else { continue };
        survived += 1;
        for block in &graph.blocks {
            for edge in graph.edges(block) {
                let end = u64::from(edge.offset) + crate::x86_64::ARCHITECTURE.info(edge.kind).field.size();
                assert!(end <= block.size);
            }
        }
    }
    assert!(1000 < survived);
}
