//! What cannot be written, and what takes part in choosing.

use crate::system::*;
use uruk_image::write_object;
use uruk_jitlink::action::{Action, Call};
use uruk_jitlink::arch::{ABS64, DIFFERENCE64, IMAGE32, SUBTRAHEND};
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::elf;
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::*;
use uruk_jitlink::{coff, macho};

/// A graph with eight bytes of data under a name.
fn graph(object: &str, format: &'static Format, symbol: &str) -> (LinkGraph, BlockId, SymbolId) {
    let mut graph = LinkGraph::with_format(object, format);
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(".data", SectionKind::Data).unwrap();
    let block = editor.add_block(section, &[0; 8], 8).unwrap();
    let id = editor.add_symbol(NewSymbol::global(symbol, block, 0).kind(SymbolKind::Object).size(8)).unwrap();
    drop(editor);
    (graph, block, id)
}

#[track_caller]
fn check(graphs: &[&LinkGraph], expected: &str) {
    assert_eq!(write_object(graphs).unwrap_err().to_string(), expected);
}

#[test]
fn what_cannot_be_written_is_named() {
    let elf = &elf::x86_64::FORMAT;
    check(&[], "an image of nothing: there is neither code nor data");
    let (one, block, id) = graph("one.o", elf, "x");
    let (other, ..) = graph("other.o", &coff::x86_64::FORMAT, "y");
    check(&[&one, &other], "other.o: it is COFF x86-64, and what comes before it is ELF x86-64");
    let (two, ..) = graph("two.o", elf, "x");
    check(&[&one, &two], "`x` is defined by one.o and by two.o; make one of them weak or hidden, or leave one out");

    let mut odd = one.clone();
    odd.edit(Stage::AfterPruning).add_edge(block, 4, IMAGE32, id, 0).unwrap();
    let expected = "one.o(.data+0x4): ELF x86-64 has no relocation for ImageOffset in Unsigned31 to `x`; \
        let the compiler write it in another way";
    check(&[&odd], expected);

    let mut odd = one.clone();
    let mut editor = odd.edit(Stage::BeforePruning);
    let call = Call { function: id, arguments: Vec::new() };
    editor.add_action(Action { finalize: Some(call), deallocate: None }).unwrap();
    drop(editor);
    check(&[&odd], "one.o: a plugin has added actions of the linker to it, which no image has");

    let mut odd = one.clone();
    let mut editor = odd.edit(Stage::BeforePruning);
    let section = editor.add_section(".scratch", SectionKind::Scratch).unwrap();
    editor.add_block(section, &[1], 1).unwrap();
    drop(editor);
    check(&[&odd], "one.o: section `.scratch` is for actions of the linker, which no image has");

    let mut odd = one.clone();
    let mut editor = odd.edit(Stage::BeforePruning);
    let section = editor.add_section(".rodata", SectionKind::ReadOnly).unwrap();
    let gone = editor.add_block(section, &[1], 1).unwrap();
    let symbol = editor.add_symbol(NewSymbol::local("gone", gone, 0)).unwrap();
    editor.add_edge(block, 0, ABS64, symbol, 0).unwrap();
    editor.drop_block(gone).unwrap();
    drop(editor);
    check(&[&odd], "one.o(.data+0x0): refers to `gone`, which has been dropped; keep it, or drop both");
}

#[test]
fn what_a_format_has_no_room_for_is_named() {
    let (mut odd, block, _) = graph("one.o", &coff::x86_64::FORMAT, "x");
    odd.edit(Stage::AfterPruning).set_align(block, 1 << 14).unwrap();
    check(&[&odd], "one.o: `.data` is aligned to 16384 bytes, and sections of COFF x86-64 to 8192 at most");
    let (mut odd, block, _) = graph("one.o", &macho::arm64::FORMAT, "_x");
    odd.edit(Stage::AfterPruning).set_align(block, 1 << 15).unwrap();
    write_object(&[&odd]).unwrap();
    odd.edit(Stage::AfterPruning).set_align(block, 1 << 16).unwrap();
    check(&[&odd], "one.o: `__DATA,__data` is aligned to 65536 bytes, and sections of Mach-O arm64 to 32768 at most");
    let (mut odd, ..) = graph("one.o", &macho::x86_64::FORMAT, "_x");
    let mut editor = odd.edit(Stage::BeforePruning);
    let section = editor.add_section("__DATA,__of_a_very_long_name", SectionKind::Data).unwrap();
    editor.add_block(section, &[0], 1).unwrap();
    drop(editor);
    check(&[&odd], "one.o: `__DATA,__of_a_very_long_name` has longer names than a section can have");
}

/// Of a distance between two symbols both halves have to be there.
#[test]
fn half_a_distance_is_refused() {
    let (mut graph, block, id) = graph("one.o", &macho::arm64::FORMAT, "_x");
    let mut editor = graph.edit(Stage::AfterPruning);
    editor.add_edge(block, 0, SUBTRAHEND, id, 0).unwrap();
    drop(editor);
    let expected = "one.o(.data+0x0): Mach-O arm64 has no relocation for Subtrahend in None to `_x`; \
        nothing stands there that it is to be subtracted from";
    check(&[&graph], expected);
    graph.edit(Stage::AfterPruning).add_edge(block, 0, DIFFERENCE64, id, 0).unwrap();
    write_object(&[&graph]).unwrap();
}

/// The symbol of a name.
fn symbol<'a>(graph: &'a LinkGraph, name: &str) -> Option<&'a Symbol> {
    graph.find_symbol(name.as_bytes()).map(|id| graph.symbol(id))
}

#[test]
fn the_best_definition_is_taken() {
    let make = |name: &str, size: u64, weak: bool, hidden: bool| {
        let mut graph = LinkGraph::new(name);
        let mut editor = graph.edit(Stage::BeforePruning);
        let section = editor.add_section(".data", SectionKind::Data).unwrap();
        let block = editor.add_block(section, &vec![0; size as usize], 8).unwrap();
        let new = NewSymbol::global("x", block, 0).kind(SymbolKind::Object).size(size);
        let new = if weak { new.weak() } else { new };
        editor.add_symbol(if hidden { new.hidden() } else { new }).unwrap();
        let y = editor.add_symbol(NewSymbol::external("y").weak()).unwrap();
        editor.add_symbol(NewSymbol::external("nobody asks")).unwrap();
        editor.add_edge(block, 0, ABS64, y, 0).unwrap();
        drop(editor);
        graph
    };
    let graphs = [make("a", 8, true, true), make("b", 16, false, false), make("c", 24, true, false)];
    let bytes = write_object(&graphs.iter().collect::<Vec<_>>()).unwrap();
    let found = read_bytes("all.o", bytes);
    let x = symbol(&found, "x").unwrap();
    assert_eq!((x.size, x.binding, x.visibility), (16, Binding::Global, Visibility::Hidden));
    let y = symbol(&found, "y").unwrap();
    assert_eq!((y.definition, y.binding), (Definition::Undefined, Binding::Weak));
    assert!(symbol(&found, "nobody asks").is_none());
    assert_eq!(found.globals().count(), 2, "one of each name");
}

/// A million references take well under a second where nothing is slowed down.
#[test]
fn many_graphs_are_written_in_linear_time() {
    let make = |number: usize| {
        let mut graph = LinkGraph::new(format!("{number}.o"));
        let mut editor = graph.edit(Stage::BeforePruning);
        let section = editor.add_section(".data", SectionKind::Data).unwrap();
        let block = editor.add_block(section, &[0; 800], 8).unwrap();
        editor.add_symbol(NewSymbol::global(&format!("x{number}"), block, 0)).unwrap();
        let next = editor.add_symbol(NewSymbol::external(&format!("x{}", number / 2))).unwrap();
        for edge in 0..100 {
            editor.add_edge(block, edge * 8, ABS64, next, i64::from(edge)).unwrap();
        }
        drop(editor);
        graph
    };
    let graphs: Vec<LinkGraph> = (0..10_000).map(make).collect();
    let bytes = write_object(&graphs.iter().collect::<Vec<_>>()).unwrap();
    let found = read_bytes("all.o", bytes);
    assert_eq!((found.edges.len(), found.blocks.len()), (1_000_000, 1));
    assert_eq!(found.globals().count(), 10_000);
}

/// From 65,535 relocations on, a section of COFF counts them in a record of their own.
#[test]
fn a_section_of_coff_has_any_number_of_relocations() {
    let folder = tempfile::tempdir().unwrap();
    for count in [0xfffe, 0xffff, 0x1_0000] {
        let (mut many, block, id) = graph("one.o", &coff::x86_64::FORMAT, "x");
        let mut editor = many.edit(Stage::AfterPruning);
        editor.set_content(block, &vec![0; count * 8]).unwrap();
        for number in 0..count as u32 {
            editor.add_edge(block, number * 8, ABS64, id, 0).unwrap();
        }
        drop(editor);
        let bytes = write_object(&[&many]).unwrap();
        assert_eq!(read_bytes("many.o", bytes.clone()).edges.len(), count);
        let path = folder.path().join("many.o");
        std::fs::write(&path, bytes).unwrap();
        let header = run(command("llvm-readobj-22 --section-headers").arg(&path));
        assert_eq!(header.contains("IMAGE_SCN_LNK_NRELOC_OVFL"), 0xffff <= count, "{count}: {header}");
        let listed = run(command("llvm-readobj-22 --relocations").arg(&path));
        assert_eq!(listed.matches("IMAGE_REL_AMD64_ADDR64").count(), count);
    }
}
