//! Edits of what a C compiler makes of a small source: what is accepted keeps the graph whole, the rest changes nothing.

use super::*;
use crate::input::Input;
use crate::interface::{Interface, Strength};
use crate::names::Names;
use crate::x86_64::{ABS64, BRANCH32, GOTPCREL, PC32};
use crate::{ehframe, elf};
use std::process::Command;

fn graph() -> LinkGraph {
    let source = "int zero[100]; int one = 1; int g(int); static int h(int n) { return g(n) + g(one); }
        int f(int n) { return h(n) + zero[n]; }";
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("test.c"), folder.path().join("test.o"));
    std::fs::write(&input, source).unwrap();
    let flags = ["-c", "-O1", "-fPIC", "-ffunction-sections", "-fno-inline"];
    assert!(Command::new("gcc").args(flags).arg(&input).arg("-o").arg(&output).status().unwrap().success());
    elf::read(&Input::from_bytes("test.o", std::fs::read(&output).unwrap()), &Names::default()).unwrap()
}

fn block(graph: &LinkGraph, symbol: &str) -> BlockId {
    graph.block_of(graph.find_symbol(symbol.as_bytes()).unwrap()).unwrap()
}

/// What the graph promises.
fn check(graph: &LinkGraph) {
    for block in &graph.blocks {
        let edges = graph.edges(block);
        assert!(edges.is_sorted_by_key(|edge| edge.offset));
        for edge in edges {
            let end = u64::from(edge.offset) + x86_64_size(edge.kind);
            assert!(end <= block.size && (edge.target.0 as usize) < graph.symbols.len());
        }
        let _ = graph.content(block);
    }
}

fn x86_64_size(kind: EdgeKind) -> u64 {
    crate::x86_64::ARCHITECTURE.info(kind).field.size()
}

/// Refused by the same error before and after other edits, with nothing changed.
fn refused<T: std::fmt::Debug + PartialEq>(
    change: impl Fn(&mut Editor<'_>) -> Result<T, EditError>,
    expected: EditError,
    text: &str,
) {
    let mut graph = graph();
    let before = crate::dump::dump(&graph, &Names::default()).to_string();
    let mut editor = graph.edit(Stage::AfterPruning);
    assert_eq!(change(&mut editor), Err(expected.clone()));
    assert!(!editor.is_changed());
    drop(editor);
    assert_eq!(crate::dump::dump(&graph, &Names::default()).to_string(), before);
    assert_eq!(expected.to_string(), text);
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let (f, zero) = (block(&graph(), "f"), block(&graph(), "zero"));
    let (size, blocks) = (graph().block(f).size, graph().blocks.len() as u64);
    let unknown = |what, id, count| EditError::Unknown { what, id, count };
    refused(
        |graph| graph.drop_block(BlockId(99)),
        unknown("block", 99, blocks),
        &format!("block 99 does not exist: the graph has {blocks}, counted from 0"),
    );
    refused(
        |graph| graph.add_edge(f, size as u32 - 3, PC32, SymbolId(1), 0),
        EditError::Outside { block: f, offset: size - 3, size: 4, limit: size },
        &format!("4 bytes at offset {:#x} do not lie in block {}, which has {size:#x}", size - 3, f.0),
    );
    let section = graph().block(zero).section;
    refused(
        |graph| graph.add_edge(zero, 0, PC32, SymbolId(1), 0),
        EditError::Fill { section, zero_fill: true },
        &format!(
            "section {} starts as zero and holds neither bytes nor edges; add a section of another kind",
            section.0
        ),
    );
    let code = graph().block(f).section;
    refused(
        |graph| graph.add_zero_block(code, 8, 8),
        EditError::Fill { section: code, zero_fill: false },
        &format!("section {} does not start as zero and needs bytes; add a section of another kind", code.0),
    );
    refused(
        |graph| graph.add_block(code, &[], 12),
        EditError::Alignment(12),
        "an alignment of 12 is not a power of two up to 4 GiB",
    );
    refused(
        |graph| graph.add_edge(f, 0, EdgeKind(200), SymbolId(1), 0),
        EditError::Kind { kind: 200, arch: "x86-64" },
        "edge kind 200 does not exist; take one of the constants of x86-64",
    );
    refused(
        |graph| graph.add_symbol(NewSymbol::local("a\0b", f, 0)),
        EditError::Name,
        "a name with a zero byte in it, or one of no bytes for a symbol that others see",
    );
    let g = graph().find_symbol(b"g").unwrap();
    refused(
        |graph| graph.move_symbol(g, f, 0),
        EditError::NotDefined(g),
        &format!("symbol {} is not defined in this object; add another and redirect edges to it", g.0),
    );
    let late = "symbols that other objects see are added and dropped before pruning, since they decide what is linked";
    refused(|graph| graph.external("printf"), EditError::TooLate, late);
    refused(|graph| graph.drop_symbol(g), EditError::TooLate, late);
    refused(
        |graph| graph.set_content(f, &[0x90]),
        EditError::Outside { block: f, offset: first_edge(f), size: 4, limit: 1 },
        &format!("4 bytes at offset {:#x} do not lie in block {}, which has 0x1", first_edge(f), f.0),
    );
    refused(
        |graph| graph.retarget(f, 50, SymbolId(1)),
        unknown("edge", 50, graph().edges(graph().block(f)).len() as u64),
        &format!("edge 50 does not exist: the graph has {}, counted from 0", graph().edges(graph().block(f)).len()),
    );
}

fn first_edge(block: BlockId) -> u64 {
    let graph = graph();
    graph.edges(graph.block(block))[0].offset.into()
}

#[test]
fn edges_of_alternating_blocks_stay_in_order_at_a_price_that_does_not_grow() {
    const COUNT: usize = 20_000;
    let mut graph = graph();
    let f = graph.find_symbol(b"f").unwrap();
    let before = graph.edges.len();
    let mut editor = graph.edit(Stage::AfterPruning);
    let section = editor.add_section("tables", SectionKind::Data).unwrap();
    let tables = [0, 1].map(|_| editor.add_block(section, &vec![0; 8 * COUNT], 8).unwrap());
    for number in 0..COUNT as u32 {
        editor.add_edge(tables[0], 8 * number, ABS64, f, number.into()).unwrap();
        editor.add_edge(tables[1], 8 * (COUNT as u32 - 1 - number), ABS64, f, 0).unwrap();
    }
    drop(editor);
    check(&graph);
    for table in tables {
        let offsets = graph.edges(graph.block(table)).iter().map(|edge| edge.offset as usize);
        assert!(offsets.eq((0..COUNT).map(|number| 8 * number)));
    }
    assert!(graph.edges.len() - before <= 8 * COUNT, "{} edges", graph.edges.len());
}

/// A function with ten edges, each to another symbol.
fn made() -> LinkGraph {
    let mut graph = LinkGraph::new("made");
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(".text", SectionKind::Code).unwrap();
    let block = editor.add_block(section, &[0xe8; 100], 16).unwrap();
    editor.add_symbol(NewSymbol::global("f", block, 0).kind(SymbolKind::Function).size(100)).unwrap();
    for number in 0..10 {
        let callee = editor.add_symbol(NewSymbol::external(&format!("g{number}"))).unwrap();
        editor.add_edge(block, 1 + 10 * number, BRANCH32, callee, -4).unwrap();
    }
    drop(editor);
    graph
}

#[test]
fn a_graph_from_nothing_is_whole_and_says_what_it_defines() {
    let mut graph = made();
    let section = graph.sections_named(b".text").next().unwrap();
    let mut editor = graph.edit(Stage::BeforePruning);
    let (local, weak) = (NewSymbol::local("local", BlockId(0), 5), NewSymbol::global("weak", BlockId(0), 6).weak());
    editor.add_symbol(local).unwrap();
    editor.add_symbol(weak.hidden()).unwrap();
    assert_eq!(editor.external("g3"), Ok(editor.find_symbol(b"g3").unwrap()));
    drop(editor);
    check(&graph);
    assert_eq!((graph.edges.len(), graph.wants.len()), (10, 10), "calls to elsewhere may need stubs");
    assert_eq!((graph.input.name().as_ref(), graph.section_name(section)), ("made", &b".text"[..]));
    let names = Names::default();
    let interface = Interface::made(&graph, &names);
    let strengths: Vec<Strength> = interface.globals.iter().map(|global| global.strength).collect();
    assert_eq!(strengths[0], Strength::Strong);
    assert!(strengths[1..11].iter().all(|strength| *strength == Strength::Undefined));
    assert_eq!(strengths[11..], [Strength::Local, Strength::Weak]);
    assert_eq!(names.text(interface.globals[3].name), "g2");
    assert_eq!(
        (interface.globals[0].kind, interface.globals[12].visibility),
        (SymbolKind::Function, Visibility::Hidden)
    );
    assert_eq!((interface.defined(), 100 < interface.cost), (2, true));
    let empty = Interface::made(&LinkGraph::new(""), &names);
    assert_eq!(empty.globals.len(), 0);
}

#[test]
fn edges_of_the_last_block_take_no_more_room_than_they_are() {
    let graph = made();
    assert_eq!((graph.edges.len(), graph.edges(graph.block(BlockId(0))).len()), (10, 10));
}

#[test]
fn edges_go_to_the_block_that_they_were_added_to() {
    let mut graph = graph();
    let (f, h, one) = (block(&graph, "f"), block(&graph, "h"), graph.find_symbol(b"one").unwrap());
    let before = graph.edges(graph.block(h)).to_vec();
    let count = graph.edges(graph.block(f)).len();
    let mut editor = graph.edit(Stage::AfterPruning);
    editor.add_edge(f, 0, GOTPCREL, one, i64::MIN).unwrap();
    editor.retarget(f, 1, one).unwrap();
    editor.retain_edges(h, |edge| edge.kind != BRANCH32).unwrap();
    drop(editor);
    check(&graph);
    let edges = graph.edges(graph.block(f));
    assert_eq!((edges.len(), edges[0].offset, graph.addend(&edges[0])), (count + 1, 0, i64::MIN));
    assert_eq!((edges[0].target, edges[1].target), (one, one));
    let kept = graph.edges(graph.block(h)).iter().map(|edge| edge.offset);
    assert!(kept.eq(before.iter().filter(|edge| edge.kind != BRANCH32).map(|edge| edge.offset)));
    let want = |symbol, entry| graph.wants.iter().any(|want| (want.symbol, want.entry) == (symbol, entry));
    assert!(want(one, Entry::Got), "what edges ask for is gathered anew");
    assert!(!want(graph.find_symbol(b"g").unwrap(), Entry::Stub), "and what none asks for is forgotten");
}

#[test]
fn names_are_those_that_were_given() {
    let mut graph = graph();
    let before: Vec<_> = (0..graph.symbols.len() as u32).map(|id| graph.symbol_name(SymbolId(id)).to_vec()).collect();
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section("a section", SectionKind::ReadOnly).unwrap();
    let nameless = editor.add_section("", SectionKind::Zero).unwrap();
    let block = editor.add_block(section, b"bytes", 1).unwrap();
    let zero = editor.add_zero_block(nameless, 1 << 40, 4096).unwrap();
    let local = editor.add_symbol(NewSymbol::local("local", block, 5)).unwrap();
    let unnamed = editor.add_symbol(NewSymbol::local("", zero, 0)).unwrap();
    let external = editor.external("printf").unwrap();
    assert_eq!(editor.external("printf"), Ok(external));
    assert_eq!(editor.external("g"), Ok(editor.find_symbol(b"g").unwrap()));
    assert_eq!(editor.external("local").map(|id| id.0), Ok(external.0 + 1), "a local symbol is none for others");
    editor.content_mut(block).unwrap()[0] = b'B';
    drop(editor);
    assert_eq!((graph.section_name(section), graph.section_name(nameless)), (&b"a section"[..], &b""[..]));
    assert_eq!((graph.symbol_name(local), graph.symbol_name(unnamed)), (&b"local"[..], &b""[..]));
    assert_eq!((graph.symbol_name(external), graph.content(graph.block(block))), (&b"printf"[..], &b"Bytes"[..]));
    assert_eq!(graph.sections_named(b"a section").collect::<Vec<_>>(), [section]);
    for (id, name) in (0..).map(SymbolId).zip(before) {
        assert_eq!(graph.symbol_name(id), name);
    }
}

#[test]
fn unwind_records_go_on_describing_a_function_whose_symbol_moves() {
    let mut graph = graph();
    let (f, body) = (graph.find_symbol(b"f").unwrap(), block(&graph, "f"));
    let is_record = |graph: &LinkGraph, block: &Block| graph.section(block.section).kind == SectionKind::EhFrame;
    let (id, _) = graph.live_blocks().find(|(_, block)| is_record(&graph, block)).unwrap();
    // As assemblers do that have no section symbols.
    let position = graph.edges(graph.block(id)).iter().position(|edge| graph.block_of(edge.target) == Some(body));
    let mut editor = graph.edit(Stage::AfterPruning);
    editor.retarget(id, position.unwrap(), f).unwrap();
    let section = editor.add_section(".text.entry", SectionKind::Code).unwrap();
    let entry = editor.add_block(section, &[0xcc], 1).unwrap();
    editor.move_symbol(f, entry, 0).unwrap();
    editor.move_symbol(f, entry, 1).unwrap();
    drop(editor);
    let records = ehframe::records(graph.content(graph.block(id))).unwrap();
    let described = ehframe::split_edges(&records, graph.edges(graph.block(id))).into_iter();
    let described: Vec<_> = described.filter_map(|(record, edges)| ehframe::function(record, edges)).collect();
    assert!(!described.contains(&f) && described.iter().any(|id| graph.block_of(*id) == Some(body)));
    assert_eq!((graph.block_of(f), graph.symbol(f).value), (Some(entry), 1));
}
