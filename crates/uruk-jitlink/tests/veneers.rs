//! Calls that do not reach their function on AArch64 go through a stub; calls that do are direct.

use uruk_jitlink::aarch64::BRANCH26;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::elf::aarch64::FORMAT;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Layout, Member, Share};
use uruk_jitlink::memory::{Lane, Placement};
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::Questions;

const BL: u32 = 0x9400_0000;
const RET: u32 = 0xd65f_03c0;
const MIB: u64 = 1 << 20;
/// Where each lane lies, far enough from the others for any code.
const LANES: [u64; 3] = [0x10_0000_0000, 0x10_4000_0000, 0x10_5000_0000];

/// An object of a call and the function that is called, of these alignments.
fn object(call_align: u64, align: u64, function: impl FnOnce(BlockId) -> NewSymbol<'static>) -> LinkGraph {
    let mut graph = LinkGraph::with_format("calls.o", &FORMAT);
    let mut editor = graph.edit(Stage::BeforePruning);
    let text = editor.add_section(".text", SectionKind::Code).unwrap();
    let call = editor.add_block(text, &BL.to_le_bytes(), call_align).unwrap();
    let body = editor.add_block(text, &RET.to_le_bytes(), align).unwrap();
    let function = editor.add_symbol(function(body)).unwrap();
    editor.add_edge(call, 0, BRANCH26, function, 0).unwrap();
    drop(editor);
    graph
}

/// Where the call of an object goes, and how many stubs it has, if its function lies at a target.
fn call(graph: LinkGraph, target: Target, span: u64) -> (u64, u32) {
    let mut targets = Targets::new(&graph);
    let function = graph.find_symbol(b"function").unwrap();
    if graph.first_global <= function && graph.symbol(function).binding != Binding::Local {
        targets.set(function, target);
    }
    let tables = Tables::plan(&graph, &targets, &(LANES[0]..LANES[0] + span));
    let mut members = vec![Member { graph, tables, share: Share::default() }];
    let mut layout = Layout::new(&mut members, &[], Placement::Near).unwrap();
    layout.place(&mut members, LANES);
    let member = &members[0];
    let mut addresses = fixup::addresses(member, &targets);
    if let Target::Near = target {
        addresses[function.0 as usize] = LANES[0] + span - 4;
    }
    let mut bytes = layout.demand.lanes.map(|lane| vec![0; lane.size as usize]);
    let mut windows = LANES.iter().zip(&mut bytes).map(|(address, bytes)| Window { address: *address, bytes });
    let mut windows = [(); 3].map(|()| windows.next().unwrap());
    let threads = Threads { questions: &Questions::default(), answers: &[] };
    Fixup { member, targets: &targets, addresses: &addresses, threads, image: 0 }.write(&mut windows).unwrap();
    let word = |lane: Lane, address: u64| {
        let at = (address - LANES[lane as usize]) as usize;
        u64::from_le_bytes(bytes[lane as usize][at..at + 8].try_into().unwrap())
    };
    let instruction = word(Lane::Code, LANES[0]) as u32;
    assert_eq!(instruction & 0xfc00_0000, BL);
    let to = LANES[0].wrapping_add_signed(i64::from((instruction << 6).cast_signed() >> 6) * 4);
    if to != member.share.stubs || member.tables.stubs == 0 {
        return (to, member.tables.stubs);
    }
    (word(Lane::ReadOnly, member.share.got), member.tables.stubs)
}

fn global(body: BlockId) -> NewSymbol<'static> {
    NewSymbol::global("function", body, 0).kind(SymbolKind::Function)
}

fn local(body: BlockId) -> NewSymbol<'static> {
    NewSymbol::local("function", body, 0).kind(SymbolKind::Function)
}

#[test]
fn functions_of_a_large_object_are_called_through_stubs() {
    for function in [global, local] {
        let call = |call_align, align| call(object(call_align, align, function), Target::Own, MIB);
        assert_eq!(call(4, MIB), (LANES[0] + MIB, 0));
        assert_eq!(call(4, 64 * MIB), (LANES[0] + 64 * MIB, 0));
        // The object could be too large, so there is a stub, but the call reaches without.
        assert_eq!(call(64 * MIB, 64 * MIB), (LANES[0] + 64 * MIB, 1));
        assert_eq!(call(4, 128 * MIB), (LANES[0] + 128 * MIB, 1));
    }
}

#[test]
fn functions_elsewhere_are_called_through_stubs_where_they_may_be_far() {
    assert_eq!(call(object(4, 4, global), Target::Near, 100 * MIB), (LANES[0] + 100 * MIB - 4, 0));
    assert_eq!(call(object(4, 4, global), Target::Near, 128 * MIB), (LANES[0] + 128 * MIB - 4, 1));
    assert_eq!(call(object(4, 4, global), Target::Near, 512 * MIB), (LANES[0] + 512 * MIB - 4, 1));
    let near = LANES[0] - 64 * MIB;
    assert_eq!(call(object(4, 4, global), Target::Known(near), MIB), (near, 0));
    assert_eq!(call(object(4, 4, global), Target::Known(0x1234_5678), MIB), (0x1234_5678, 1));
}
