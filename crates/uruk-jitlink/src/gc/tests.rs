//! Collections of what a C compiler and an assembler make of small sources.

use super::*;
use crate::input::Input;
use crate::names::Names;
use crate::{elf, prune};
use std::process::Command;

/// The graph of an assembler source.
fn assemble(source: &str) -> LinkGraph {
    read("s", source, &["-c"])
}

/// The graph of a C source in which each function and variable has a section of its own.
fn compile(source: &str) -> LinkGraph {
    read("c", source, &["-c", "-O1", "-ffunction-sections", "-fdata-sections"])
}

/// The graph of a C++ source, likewise.
fn compile_cxx(source: &str) -> LinkGraph {
    read("cpp", source, &["-c", "-O1", "-ffunction-sections", "-fdata-sections"])
}

fn read(extension: &str, source: &str, flags: &[&str]) -> LinkGraph {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("test").with_extension(extension), folder.path().join("test.o"));
    std::fs::write(&input, source).unwrap();
    assert!(Command::new("gcc").args(flags).arg(&input).arg("-o").arg(&output).status().unwrap().success());
    elf::read(&Input::from_bytes("test.o", std::fs::read(&output).unwrap()), &Names::default()).unwrap()
}

/// The position and id of a global definition.
fn definition(graphs: &[LinkGraph], name: &[u8]) -> Option<(usize, SymbolId)> {
    let in_graph = |graph: &LinkGraph| {
        let mut globals = graph.globals().filter(|(_, symbol)| symbol.definition != Definition::Undefined);
        globals.find(|(id, _)| graph.symbol_name(*id) == name).map(|(id, _)| id)
    };
    graphs.iter().enumerate().find_map(|(position, graph)| Some((position, in_graph(graph)?)))
}

/// Collects with these roots, and drops what is not reached.
fn collect(graphs: &mut [LinkGraph], roots: &[&str]) -> Vec<Reached> {
    let candidates: Vec<_> = graphs.iter().map(|graph| Candidate { graph, whole: false }).collect();
    let roots: Vec<_> = roots.iter().map(|name| definition(graphs, name.as_bytes()).unwrap()).collect();
    let bounds = ["keep", "other"].map(|name| name.as_bytes().to_vec());
    let reached = mark(&candidates, &roots, &bounds, |position, id| {
        let name = graphs[position].symbol_name(id);
        let section = name.strip_prefix(b"__start_").or(name.strip_prefix(b"__stop_"));
        let bound = section.and_then(|section| bounds.iter().position(|bound| bound == section));
        match (bound, definition(graphs, name)) {
            (Some(bound), _) => Referent::Bound(bound),
            (None, Some((position, id))) => Referent::Symbol(position, id),
            (None, None) => Referent::Elsewhere,
        }
    });
    for (graph, reached) in graphs.iter_mut().zip(&reached) {
        sweep(graph, reached);
        prune::drop_unwind_records(graph).unwrap();
    }
    reached
}

/// Collects, and compares the names of what is left of the sections that have any bytes, unwind records aside.
fn check<const N: usize>(mut graphs: [LinkGraph; N], roots: &[&str], expected: &str) {
    collect(&mut graphs, roots);
    let mut kept: Vec<String> = Vec::new();
    for graph in &graphs {
        let live = graph.blocks.iter().filter(|block| block.live && block.size != 0);
        let live = live.filter(|block| graph.section(block.section).kind != SectionKind::EhFrame);
        kept.extend(live.map(|block| String::from_utf8_lossy(graph.section_name(block.section)).into_owned()));
    }
    kept.sort();
    assert_eq!(kept.join(" "), expected);
}

#[test]
fn only_what_roots_reach_is_kept_across_objects() {
    let first = "int b(void); int missing(void); int main(void) { return b(); } int dead(void) { return missing(); }";
    let second = "static int v = 3; extern int w; int b(void) { return v++ + w; } int w = 1; int c(void) { return w; }";
    check([compile(first), compile(second)], &["main"], ".data.v .data.w .text.b .text.main");
    check([compile(first), compile(second)], &["c"], ".data.w .text.c");
    check([compile(first), compile(second)], &[], "");
}

#[test]
fn cycles_and_long_chains_are_followed_without_recursion() {
    let mut source = String::from(".globl f0\n");
    for index in 0..50_000 {
        let next = if index == 49_999 { 0 } else { index + 1 };
        source += &format!(".section .t{index},\"ax\"\nf{index}: call f{next}\n");
    }
    let mut graphs = [assemble(&source)];
    let reached = collect(&mut graphs, &["f0"]);
    assert_eq!(reached[0].blocks.iter().filter(|reached| **reached).count(), 50_000);
}

#[test]
fn references_of_dead_blocks_count_for_nothing() {
    let mut graphs = [compile("int x(void), y(void); int main(void) { return x(); } int dead(void) { return y(); }")];
    let reached = collect(&mut graphs, &["main"]);
    let id = |name: &[u8]| graphs[0].globals().find(|(id, _)| graphs[0].symbol_name(*id) == name).unwrap().0;
    let (x, y) = (id(b"x"), id(b"y"));
    assert!(reached[0].symbols[x.0 as usize] && !reached[0].symbols[y.0 as usize]);
    let wanted = |graph: &LinkGraph, symbol| graph.wants.iter().any(|want| want.symbol == symbol);
    assert!(wanted(&graphs[0], x) && wanted(&graphs[0], y));
    crate::wishes::gather(&mut graphs[0]);
    assert!(wanted(&graphs[0], x) && !wanted(&graphs[0], y));
}

#[test]
fn ld_s_own_roots_are_kept() {
    let table = |name: &str, kind: &str| format!(".section {name},\"aw\",@{kind}\n.quad 1\n");
    let mut source = String::new();
    for (name, kind) in [
        (".init_array.5", "init_array"),
        (".fini_array", "fini_array"),
        (".preinit_array", "preinit_array"),
        (".ctors.3", "progbits"),
        (".dtors", "progbits"),
        (".jcr", "progbits"),
        (".data.dead", "progbits"),
    ] {
        source += &table(name, kind);
    }
    source += ".section .note.own,\"a\",@note\n.quad 1\n.section .note.group,\"aG\",@note,g,comdat\n.quad 1\n";
    source += ".section .data.kept,\"awR\",@progbits\n.quad x\n.section .data.x,\"aw\",@progbits\nx: .quad 1\n";
    let kept = ".ctors.3 .data.kept .data.x .dtors .fini_array .init_array.5 .jcr .note.own .preinit_array";
    check([assemble(&source)], &[], kept);
}

#[test]
fn groups_live_as_a_whole() {
    let source = ".globl f\n.section .text.f,\"axG\",@progbits,f,comdat\nf: ret\n\
        .section .data.f,\"awG\",@progbits,f,comdat\n.quad 1\n\
        .section .data.z,\"awG\",@progbits,z\n.quad 1\n.globl z\n.section .text.z,\"axG\",@progbits,z\nz: ret\n";
    check([assemble(source)], &["f"], ".data.f .text.f");
    check([assemble(source)], &["z"], ".data.z .text.z");
}

#[test]
fn descriptions_live_with_what_they_describe() {
    let source = ".globl f\n.section .text.f,\"ax\",@progbits\nf: ret\n.section .text.g,\"ax\",@progbits\ng: ret\n\
        .section meta,\"ao\",@progbits,.text.f\n.quad h\n.section meta2,\"ao\",@progbits,.text.g\n.quad 1\n\
        .section .text.h,\"ax\",@progbits\nh: ret\n";
    check([assemble(source)], &["f"], ".text.f .text.h meta");
}

#[test]
fn a_bound_keeps_its_sections_but_for_descriptions() {
    let user = ".globl f\n.section .text.f,\"ax\",@progbits\nf: lea __start_keep(%rip),%rax\nret\n\
        .section .text.g,\"ax\",@progbits\ng: lea __stop_other(%rip),%rax\nret\n.section keep,\"a\"\n.quad 1\n";
    let other = ".section keep,\"a\",@progbits\n.quad k\n.section .text.k,\"ax\"\nk: ret\n\
        .section keep,\"ao\",@progbits,.text.dead\n.quad 1\n.section .text.dead,\"ax\"\nret\n.section other,\"a\"\n.quad 1\n";
    check([assemble(user), assemble(other)], &["f"], ".text.f .text.k keep keep");
    check([assemble(other)], &[], "");
}

#[test]
fn a_relocation_without_a_field_keeps_its_target() {
    let source =
        ".globl f\n.section .text.f,\"ax\"\nf: .reloc ., R_X86_64_NONE, g\nret\n.section .text.g,\"ax\"\ng: ret\n";
    check([assemble(source)], &["f"], ".text.f .text.g");
}

#[test]
fn unwind_records_keep_their_data_and_personality_and_go_with_their_function() {
    let source = "void may(int); struct S { ~S() { may(1); } };\n\
        extern \"C\" int live(int x) { try { may(x); } catch (int y) { return y; } return 0; }\n\
        extern \"C\" int dead(int x) { S s; may(x); return x; }\n\
        extern \"C\" int plain(int x) { return x; }";
    let live =
        ".data.rel.local.DW.ref._ZTIi .data.rel.local.DW.ref.__gxx_personality_v0 .gcc_except_table.live .text.live";
    check([compile_cxx(source)], &["live"], live);
    check([compile_cxx(source)], &["plain"], ".text.plain");
    // The common entry that names the personality goes with the last description that uses it.
    let mut graphs = [compile_cxx(source)];
    collect(&mut graphs, &["plain"]);
    let graph = &graphs[0];
    let unwind = graph.blocks.iter().find(|block| graph.section(block.section).kind == SectionKind::EhFrame).unwrap();
    let records = ehframe::records(graph.content(unwind)).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(graph.edges(unwind).len(), 1);
}

#[test]
fn thread_local_and_common_blocks_are_like_others() {
    let source = "_Thread_local int a = 1, b = 2; _Thread_local int c; int main(void) { return a + c; }";
    check([compile(source)], &["main"], ".tbss.c .tdata.a .text.main");
}

#[test]
fn blocks_dropped_before_are_no_roots() {
    let mut graph = assemble(".section .init_array,\"aw\",@init_array\n.quad x\n.section .data.x,\"aw\"\nx: .quad 1\n");
    for block in &mut graph.blocks {
        block.live &= graph.sections[block.section.0 as usize].kind == SectionKind::Data;
    }
    check([graph], &[], "");
}
