use super::*;
use crate::edit::{NewSymbol, Stage};
use crate::elf;
use crate::format::Format;

const AUIPC_RA: u32 = 0x97;
const JALR_RA: u32 = 0x8_00e7;
const AUIPC_T1: u32 = 0x317;
const JALR_X0_T1: u32 = 0x3_0067;
const NOP: u32 = 0x13;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A graph of one block, with edges to a symbol at an offset of it.
fn graph(format: &'static Format, code: &[u8], to: u64, edges: &[(u32, EdgeKind, i64)]) -> LinkGraph {
    let mut graph = LinkGraph::with_format("code.o", format);
    graph.compressed = true;
    let mut editor = graph.edit(Stage::BeforePruning);
    let section = editor.add_section(".text", SectionKind::Code).unwrap();
    let block = editor.add_block(section, code, 2).unwrap();
    let target = editor.add_symbol(NewSymbol::local("target", block, to)).unwrap();
    editor.add_symbol(NewSymbol::local("all", block, 0).size(code.len() as u64)).unwrap();
    for (offset, kind, addend) in edges {
        let symbol = if matches!(*kind, RELAX | ALIGN) { SymbolId(0) } else { target };
        editor.add_edge(block, *offset, *kind, symbol, *addend).unwrap();
    }
    drop(editor);
    graph
}

/// What becomes of the code, of the target's offset, and of its edges.
fn check(mut graph: LinkGraph, code: &[u8], target: u64, edges: &[(u32, EdgeKind)]) {
    let targets = Targets::new(&graph);
    rewrite(&mut graph, &targets, &(0..1 << 30)).unwrap();
    let block = graph.block(BlockId(0));
    assert_eq!(graph.content(block), code);
    assert_eq!(graph.symbol(graph.find_symbol(b"target").unwrap()).value, target);
    assert_eq!(graph.symbol(graph.find_symbol(b"all").unwrap()).size, code.len() as u64);
    let found: Vec<_> = graph.edges(block).iter().map(|edge| (edge.offset, edge.kind)).collect();
    assert_eq!(found, edges);
}

#[test]
fn calls_become_as_short_as_they_may() {
    let call = |code: [u32; 2], size: usize| {
        let mut code = words(&code);
        code.resize(size, 0);
        code
    };
    let edges = [(0, CALL, 0), (0, RELAX, 0)];
    let rv64 = &elf::riscv64::FORMAT;
    // A call within 2 KiB needs a whole instruction with 64 bits, a jump half of one.
    let mut short = call([AUIPC_RA, JALR_RA], 2000);
    check(graph(rv64, &short, 2000, &edges), &[&0xefu32.to_le_bytes()[..], &vec![0; 1992]].concat(), 1996, &[(0, JAL)]);
    short = call([AUIPC_T1, JALR_X0_T1], 2000);
    check(graph(rv64, &short, 2000, &edges), &[&[1, 0xa0][..], &vec![0; 1992]].concat(), 1994, &[(0, RVC_JUMP)]);
    short = call([AUIPC_RA, JALR_RA], 2000);
    check(
        graph(&elf::riscv32::FORMAT, &short, 2000, &edges),
        &[&[1, 0x20][..], &vec![0; 1992]].concat(),
        1994,
        &[(0, RVC_JUMP)],
    );
    // Where the other instructions are not there.
    let mut plain = graph(rv64, &call([AUIPC_T1, JALR_X0_T1], 100), 100, &edges);
    plain.compressed = false;
    check(plain, &[&0x6fu32.to_le_bytes()[..], &[0; 92]].concat(), 96, &[(0, JAL)]);
    // The last distance that fits, and the first that does not.
    let code = call([AUIPC_T1, JALR_X0_T1], (1 << 20) + 8);
    check(
        graph(rv64, &code, (1 << 20) - 2, &edges),
        &[&words(&[0x6f]), &code[8..]].concat(),
        (1 << 20) - 6,
        &[(0, JAL)],
    );
    let all = [(0, CALL), (0, RELAX)];
    check(graph(rv64, &code, 1 << 20, &edges), &code, 1 << 20, &all);
    // Nobody has allowed it.
    let code = call([AUIPC_RA, JALR_RA], 100);
    check(graph(rv64, &code, 100, &edges[..1]), &code, 100, &[(0, CALL)]);
}

#[test]
fn alignment_leaves_what_it_needs() {
    let rv64 = &elf::riscv64::FORMAT;
    // Six bytes align to 8: four of them stay behind four, and none behind eight.
    let padding = [0x13, 0, 0, 0, 1, 0];
    let code = [&words(&[NOP])[..], &padding, &words(&[0x73])].concat();
    let expected = words(&[NOP, NOP, 0x73]);
    check(graph(rv64, &code, 10, &[(4, ALIGN, 6)]), &expected, 8, &[]);
    let code = [&words(&[NOP, NOP])[..], &padding, &words(&[0x73])].concat();
    check(graph(rv64, &code, 14, &[(8, ALIGN, 6)]), &words(&[NOP, NOP, 0x73]), 8, &[]);
    // What was cut before counts.
    let code = [&words(&[AUIPC_RA, JALR_RA])[..], &padding, &words(&[0x73])].concat();
    let edges = [(0, CALL, 0), (0, RELAX, 0), (8, ALIGN, 6)];
    check(graph(rv64, &code, 14, &edges), &words(&[0xef, NOP, 0x73]), 8, &[(0, JAL)]);
    let mut all = graph(rv64, &code, 14, &edges);
    align(&mut all).unwrap();
    assert_eq!(all.content(all.block(BlockId(0))), words(&[AUIPC_RA, JALR_RA, 0x73]));
    assert_eq!(all.block(BlockId(0)).align_log2, 3);
}

#[test]
fn padding_that_is_not_there_is_damage() {
    let refused = |code: &[u8], edges: &[(u32, EdgeKind, i64)]| {
        let error = align(&mut graph(&elf::riscv64::FORMAT, code, 0, edges)).unwrap_err().to_string();
        assert!(error.starts_with("code.o(.text+0x") && error.contains("asks for bytes to be taken out"), "{error}");
    };
    refused(&[1, 0, 1, 0], &[(0, ALIGN, 6)]);
    refused(&[1, 0, 1, 0], &[(0, ALIGN, -2)]);
    refused(&[1, 0, 1, 0], &[(0, ALIGN, i64::MAX)]);
    refused(&[0; 32], &[(2, ALIGN, 4)]);
    // Two that overlap, and a field in what goes.
    refused(&[0; 32], &[(8, ALIGN, 14), (10, ALIGN, 14)]);
    refused(&[0; 32], &[(0, ALIGN, 14), (2, BRANCH, 0)]);
}

#[test]
fn other_blocks_are_in_reach_if_layout_cannot_part_them() {
    let shortened = |between: u64, section: &str| {
        let mut graph = graph(&elf::riscv64::FORMAT, &words(&[AUIPC_RA, JALR_RA]), 0, &[]);
        let mut editor = graph.edit(Stage::BeforePruning);
        let section = editor.add_section(section, SectionKind::Code).unwrap();
        let filler = editor.add_block(section, &vec![0; between as usize], 4).unwrap();
        let other = editor.add_symbol(NewSymbol::global("other", filler, between)).unwrap();
        editor.add_edge(BlockId(0), 0, CALL, other, 0).unwrap();
        editor.add_edge(BlockId(0), 0, RELAX, SymbolId(0), 0).unwrap();
        drop(editor);
        let targets = Targets::new(&graph);
        let mut elsewhere = graph.clone();
        rewrite(&mut graph, &targets, &(0..1 << 30)).unwrap();
        // Whoever has the definition elsewhere may have it anywhere.
        let mut targets = Targets::new(&elsewhere);
        let id = elsewhere.find_symbol(b"other").unwrap();
        targets.set(id, Target::Near);
        rewrite(&mut elsewhere, &targets, &(0..1 << 30)).unwrap();
        assert_eq!(elsewhere.block(BlockId(0)).size, 8);
        graph.block(BlockId(0)).size == 4
    };
    assert!(shortened(1000, ".text.other"));
    assert!(!shortened(1 << 20, ".text.other"));
    // `__start_other` gathers it from all objects.
    assert!(!shortened(1000, "other"));
}

#[test]
fn loads_of_addresses_become_computations() {
    const AUIPC_A0: u32 = 0x517;
    const LD_A0: u32 = 0x5_3503;
    const LW_A0: u32 = 0x5_2503;
    const ADDI_A0: u32 = 0x5_0513;
    let check = |second: u32, relax: bool, target: Target, expected: (u32, EdgeKind)| {
        let mut graph = graph(&elf::riscv64::FORMAT, &words(&[AUIPC_A0, second]), 0, &[]);
        let mut editor = graph.edit(Stage::BeforePruning);
        let variable = editor.add_symbol(NewSymbol::external("variable")).unwrap();
        let label = editor.find_symbol(b"target").unwrap();
        editor.add_edge(BlockId(0), 0, GOT_HI20, variable, 0).unwrap();
        editor.add_edge(BlockId(0), 4, PCREL_LO12_I, label, 0).unwrap();
        if relax {
            editor.add_edge(BlockId(0), 4, RELAX, SymbolId(0), 0).unwrap();
        }
        drop(editor);
        let mut targets = Targets::new(&graph);
        targets.set(variable, target);
        rewrite(&mut graph, &targets, &(0x10_0000_0000..0x10_1000_0000)).unwrap();
        let block = graph.block(BlockId(0));
        assert_eq!(graph.content(block), words(&[AUIPC_A0, expected.0]));
        assert_eq!(graph.edges(block)[0].kind, expected.1);
        let slots = crate::tables::Tables::plan(&graph, &targets, &(0x10_0000_0000..0x10_1000_0000)).slots;
        assert_eq!(slots, u32::from(expected.1 == GOT_HI20));
    };
    check(LD_A0, true, Target::Near, (ADDI_A0, PCREL_HI20));
    check(LD_A0, true, Target::Known(0x10_2000_0000), (ADDI_A0, PCREL_HI20));
    check(LD_A0, true, Target::Known(0), (LD_A0, GOT_HI20));
    check(LD_A0, true, Target::Far, (LD_A0, GOT_HI20));
    check(LD_A0, false, Target::Near, (LD_A0, GOT_HI20));
    // Half of an address is no address.
    check(LW_A0, true, Target::Near, (LW_A0, GOT_HI20));
    check(ADDI_A0, true, Target::Near, (ADDI_A0, GOT_HI20));
}
