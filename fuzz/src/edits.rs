//! Edits of link graphs as a careless plugin would make them: most are sound, some are to be refused.

use super::parts::Choices;
use uruk_jitlink::edit::{EditError, Editor, NewSymbol, Stage};
use uruk_jitlink::graph::*;

/// Makes a few edits. What is refused is to leave the graph as it was, which whatever follows relies on.
pub fn edit(graph: &mut LinkGraph, stage: Stage, choices: &mut Choices) {
    let mut editor = graph.edit(stage);
    for _ in 0..choices.below(24) {
        if let Err(error) = edit_once(&mut editor, choices) {
            assert!(!error.to_string().is_empty());
        }
    }
}

fn edit_once(graph: &mut Editor<'_>, choices: &mut Choices) -> Result<(), EditError> {
    let section = SectionId(below(graph.sections.len(), choices));
    let blocks = [0; 2].map(|_| BlockId(below(graph.blocks.len(), choices)));
    let symbols = [0; 2].map(|_| SymbolId(below(graph.symbols.len(), choices)));
    let [block, other] = blocks;
    let [symbol, target] = symbols;
    let size = graph.blocks.get(block.0 as usize).map_or(0, |block| block.size);
    let offset = choices.below(size + 2);
    let bytes: Vec<u8> = (0..choices.below(40)).map(|_| choices.next() as u8).collect();
    let align = 1 << choices.below(8);
    match choices.below(18) {
        0 => graph.add_section("fuzz_added", kind(choices)).map(drop),
        1 => graph.retain_section(section),
        2 => graph.add_zero_block(section, choices.below(1 << 14), align).map(drop),
        3 => graph.set_content(block, &bytes),
        4 => graph.content_mut(block).map(|bytes| bytes.fill(0x90)),
        5 => graph.set_align(block, choices.below(70)),
        6 => graph.drop_block(block),
        7 => graph.tie(block, other),
        8 => graph.move_symbol(symbol, block, offset),
        9 => graph.drop_symbol(symbol),
        10 => graph.retarget(block, choices.below(8) as usize, target),
        11 => graph.redirect(symbol, target).map(drop),
        12 => graph.retain_edges(block, |edge| edge.offset % 3 != 0),
        13 => graph.external(["__start_fuzz_added", "fuzz_other", "f"][choices.below(3) as usize]).map(drop),
        14 => {
            let new = [
                NewSymbol::local("fuzz_local", block, offset),
                NewSymbol::global("fuzz_global", block, offset),
                NewSymbol::external("fuzz_external"),
                NewSymbol::absolute("fuzz_absolute", choices.next()),
            ];
            let new = new[choices.below(4) as usize].clone();
            let kinds = [SymbolKind::Function, SymbolKind::Object, SymbolKind::ThreadLocal, SymbolKind::Indirect];
            let new = new.kind(kinds[choices.below(4) as usize]).size(choices.below(64));
            graph.add_symbol(if choices.below(4) == 0 { new.weak().hidden() } else { new }).map(drop)
        }
        _ => {
            let block = if choices.below(2) == 0 { graph.add_block(section, &bytes, align)? } else { block };
            let size = graph.blocks.get(block.0 as usize).map_or(0, |block| block.size);
            for _ in 0..choices.below(6) {
                let kind = EdgeKind(choices.below(40) as u8);
                let addend = if choices.below(8) == 0 { choices.next() as i64 } else { -4 };
                graph.add_edge(block, choices.below(size + 1) as u32, kind, target, addend)?;
            }
            Ok(())
        }
    }
}

/// An index, sometimes the first that is none.
fn below(count: usize, choices: &mut Choices) -> u32 {
    choices.below(count as u64 + 1) as u32
}

fn kind(choices: &mut Choices) -> SectionKind {
    let order = Order { priority: choices.below(70_000) as u32, backwards: choices.below(2) == 0 };
    let kinds = [
        SectionKind::Code,
        SectionKind::ReadOnly,
        SectionKind::Data,
        SectionKind::Zero,
        SectionKind::TlsData,
        SectionKind::TlsZero,
        SectionKind::EhFrame,
        SectionKind::Functions(FunctionTable::Init, order),
        SectionKind::Unloaded,
        SectionKind::Pdata,
    ];
    kinds[choices.below(kinds.len() as u64) as usize]
}
