//! What the edges of an object ask for: gathered once for each symbol, and noted in the graph as [`Want`]s.
//!
//! Data flow: edges → bits by symbol → wishes in order of symbols and entries. Readers that look at every relocation anyway
//! gather the bits on their way and hand them in ([`note`]); all others have it done here ([`gather`]).

use crate::arch::Load;
use crate::graph::*;
use crate::tables::own_in_reach;

/// All entries, by their number.
const ENTRIES: [Entry; 7] = [
    Entry::Got,
    Entry::Stub,
    Entry::ThreadOffset,
    Entry::ModuleAndOffset,
    Entry::Module,
    Entry::Descriptor,
    Entry::Inside,
];

/// The bits that stand for wishes; those above are free for who gathers them.
const ALL: u16 = (1 << (2 * ENTRIES.len())) - 1;

/// The bit of a wish for an entry; the next one is that of an edge that can do without.
pub const fn bit(entry: Entry) -> u16 {
    1 << (2 * entry as u8)
}

/// Notes wishes, given as bits by symbol.
pub fn note(graph: &mut LinkGraph, bits: &[u16]) {
    let count = bits.iter().map(|bits| (bits & ALL).count_ones() as usize).sum();
    graph.wants.reserve_exact(count);
    for (symbol, &bits) in (0..).map(SymbolId).zip(bits) {
        let mut rest = bits & ALL;
        while rest != 0 {
            let bit = rest.trailing_zeros();
            let (entry, relaxable) = (ENTRIES[bit as usize / 2], bit % 2 == 1);
            graph.wants.push(Want { symbol, entry, relaxable });
            rest &= rest - 1;
        }
    }
}

/// Notes what the edges of live blocks ask for, and nothing else.
pub fn gather(graph: &mut LinkGraph) {
    let own_in_reach = own_in_reach(graph);
    let arch = graph.arch();
    let mut wishes = vec![0; graph.symbols.len()];
    let (mut needs_low, mut needs_static_tls, mut has_tls_fields) = (false, false, false);
    for (_, block) in graph.live_blocks() {
        let content = graph.content(block);
        for edge in graph.edges(block) {
            let info = arch.info(edge.kind);
            needs_static_tls |= info.needs_static_threads();
            has_tls_fields |= info.is_thread_field();
            needs_low |= info.low && graph.symbol(edge.target).definition != Definition::Absolute;
            let Some(entry) = info.entry else { continue };
            if own_in_reach && matches!(entry, Entry::Stub | Entry::Inside) {
                let symbol = graph.symbol(edge.target);
                if symbol.binding == Binding::Local && symbol.kind != SymbolKind::Indirect {
                    continue;
                }
            }
            let load = || Load { kind: edge.kind, addend: graph.addend(edge), offset: edge.offset as usize };
            let relaxable = info.value.is_load() && (arch.can_relax)(&load(), content);
            wishes[edge.target.0 as usize] |= bit(entry) << u8::from(relaxable);
        }
    }
    (graph.needs_low, graph.needs_static_tls, graph.has_tls_fields) = (needs_low, needs_static_tls, has_tls_fields);
    graph.wants.clear();
    note(graph, &wishes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_listed_by_their_number() {
        assert!(ENTRIES.iter().enumerate().all(|(number, entry)| *entry as usize == number));
    }
}
