//! RISC-V relocations at fixed addresses: the ends of what each kind holds, pairs, and what is said of values that do not
//! fit. What instructions look like with a value in them is compared with another linker in `lld/`.

use uruk_jitlink::arch::{ABS64, BRANCH32, DTPOFF32, GOTPCREL, PC32};
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::elf::{riscv32, riscv64};
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Layout, Member, Share};
use uruk_jitlink::memory::Placement;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::riscv::*;
use uruk_jitlink::tables::{Planned, Tables};
use uruk_jitlink::tls::Questions;

/// Where the code lies.
const CODE: u64 = 0x10_0000_0000;
/// Where the first symbol of a difference lies.
const HERE: u64 = 0x7000_0000;

/// Bytes with room for every field, among them a number of three bytes.
const BYTES: [u8; 16] = [0x80, 0x80, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Edges at offset 0 of the code: their kinds and the positions of their symbols.
struct Case<'a> {
    edges: &'a [(EdgeKind, usize)],
    /// Addresses of symbols that others define; of thread-local ones the offset.
    symbols: &'a [u64],
    /// Where the only slot lies.
    slot: u64,
}

impl Case<'_> {
    /// The code after fix-up, or what is wrong.
    fn link(&self, format: &'static uruk_jitlink::format::Format) -> Result<Vec<u8>, String> {
        let mut graph = LinkGraph::with_format("a.o", format);
        let mut editor = graph.edit(Stage::BeforePruning);
        let text = editor.add_section(".text", SectionKind::Code).unwrap();
        let code = editor.add_block(text, &BYTES, 4).unwrap();
        let label = editor.add_symbol(NewSymbol::local("label", code, 0)).unwrap();
        let symbols: Vec<SymbolId> =
            (0..self.symbols.len()).map(|number| editor.external(&format!("symbol{number}")).unwrap()).collect();
        let ids: Vec<SymbolId> = symbols.iter().copied().chain([label]).collect();
        for (kind, symbol) in self.edges {
            editor.add_edge(code, 0, *kind, ids[*symbol], 0).unwrap();
        }
        drop(editor);
        let mut targets = Targets::new(&graph);
        let thread_local = graph.has_tls_fields;
        for (number, (id, address)) in (0..).zip(symbols.iter().zip(self.symbols)) {
            targets.set(*id, if thread_local { Target::ThreadLocal(number) } else { Target::Known(*address) });
        }
        let mut tables = Tables::default();
        for want in graph.wants.iter().filter(|want| want.entry != Entry::Stub) {
            tables.planned.push(Planned { symbol: want.symbol, entry: want.entry, index: 0 });
        }
        let mut members = vec![Member { graph, tables, share: Share::default() }];
        let mut layout = Layout::new(&mut members, &[], Placement::Near).unwrap();
        layout.place(&mut members, [CODE; 3]);
        members[0].share.got = self.slot;
        // Thread-local answers are the offsets themselves, in both words.
        let questions = Questions::gather(&members, std::slice::from_ref(&targets));
        let answers = vec![[self.symbols.first().copied().unwrap_or(0); 2]; questions.asked.len()];
        let addresses = fixup::addresses(&members[0], &targets);
        let threads = Threads { questions: &questions, answers: &answers };
        let fixup = Fixup { member: &members[0], targets: &targets, addresses: &addresses, threads, image: 0 };
        let mut bytes = [BYTES; 3];
        let mut windows = bytes.each_mut().map(|bytes| Window { address: CODE, bytes });
        fixup.write(&mut windows).map_err(|error| error.to_string())?;
        Ok(bytes[0].to_vec())
    }
}

/// How the value of a kind is given.
#[derive(Clone, Copy)]
enum Way {
    /// As the symbol's address.
    Address,
    /// As the distance to the symbol.
    Distance,
    /// As the distance to a slot.
    Slot,
    /// As the distance between two symbols, the second of which this edge subtracts.
    Less(EdgeKind),
}

fn link(kind: EdgeKind, way: Way, value: i64) -> Result<Vec<u8>, String> {
    let (symbols, slot, edges) = match way {
        Way::Address => (vec![value as u64], 0, vec![(kind, 0)]),
        Way::Distance => (vec![CODE.wrapping_add_signed(value)], 0, vec![(kind, 0)]),
        Way::Slot => (vec![0], CODE.wrapping_add_signed(value), vec![(kind, 0)]),
        Way::Less(less) => (vec![HERE.wrapping_add_signed(value), HERE], 0, vec![(kind, 0), (less, 1)]),
    };
    Case { edges: &edges, symbols: &symbols, slot }.link(&riscv64::FORMAT)
}

/// Both ends of what a kind holds, and the next values beyond them.
fn check(kind: EdgeKind, way: Way, (min, max): (i64, i64), step: i64) {
    let name = (riscv64::FORMAT.relocation)(kind);
    for value in [min, max] {
        link(kind, way, value).unwrap_or_else(|error| panic!("{name} of {value:#x}: {error}"));
    }
    for value in [min - step, max + step] {
        let error = link(kind, way, value).expect_err(name);
        let expected = format!("a.o(.text+0x0): {name} to `symbol0` needs {value}, field holds {min}..={max}; ");
        assert!(error.starts_with(&expected), "{error}");
    }
    if step != 1 {
        let error = link(kind, way, min + 1).expect_err(name);
        assert!(error.contains(name) && error.contains("multiple"), "{error}");
    }
}

const TWO_PARTS: (i64, i64) = (-0x8000_0800, 0x7fff_f7ff);
const SIGNED32: (i64, i64) = (-0x8000_0000, 0x7fff_ffff);
const EITHER8: (i64, i64) = (-128, 255);
const EITHER16: (i64, i64) = (-0x8000, 0xffff);
const EITHER32: (i64, i64) = (-0x8000_0000, 0xffff_ffff);

#[test]
fn instructions() {
    check(BRANCH, Way::Distance, (-4096, 4094), 2);
    check(JAL, Way::Distance, (-0x10_0000, 0xf_fffe), 2);
    check(RVC_BRANCH, Way::Distance, (-256, 254), 2);
    check(RVC_JUMP, Way::Distance, (-2048, 2046), 2);
    check(CALL, Way::Distance, TWO_PARTS, 1);
    check(PCREL_HI20, Way::Distance, TWO_PARTS, 1);
    check(HI20, Way::Address, TWO_PARTS, 1);
    check(TPREL_HI20, Way::Address, TWO_PARTS, 1);
    for kind in [GOT_HI20, TLS_GOT_HI20, TLS_GD_HI20, TLSDESC_HI20] {
        let slots = |value| {
            let edges = [(kind, 0)];
            Case { edges: &edges, symbols: &[0], slot: CODE.wrapping_add_signed(value) }.link(&riscv64::FORMAT)
        };
        if kind == GOT_HI20 {
            check(kind, Way::Slot, TWO_PARTS, 1);
        } else {
            // The slot's own question has no answer here, but the instruction comes first.
            assert!(slots(TWO_PARTS.1 + 1).unwrap_err().contains("field holds -2147485696..=2147481599"));
        }
    }
}

#[test]
fn data() {
    check(WORD32, Way::Address, EITHER32, 1);
    check(PC32, Way::Distance, SIGNED32, 1);
    check(BRANCH32, Way::Distance, SIGNED32, 1);
    check(GOTPCREL, Way::Slot, SIGNED32, 1);
    check(DTPOFF32, Way::Address, SIGNED32, 1);
    for value in [i64::MIN, -1, i64::MAX] {
        assert_eq!(link(ABS64, Way::Address, value).unwrap()[..8], value.to_le_bytes());
    }
}

#[test]
fn differences() {
    // The bytes that are there count: 0x80 is -128, and 0x8080 is -32640.
    check(ADD8, Way::Less(SUB8), (0, 383), 1);
    check(ADD16, Way::Less(SUB16), (-0x8000 + 0x7f80, 0xffff + 0x7f80), 1);
    check(SET6, Way::Less(SUB6), (0, 63), 1);
    check(SET8, Way::Less(SUB8), EITHER8, 1);
    check(SET16, Way::Less(SUB16), EITHER16, 1);
    check(SET32, Way::Less(SUB32), EITHER32, 1);
    check(SET_ULEB128, Way::Less(SUB_ULEB128), (0, (1 << 21) - 1), 1);
}

#[test]
fn differences_wrap_where_the_field_is_an_address() {
    let sum = link(ADD64, Way::Less(SUB64), -0x1_0000).unwrap();
    assert_eq!(sum[..8], 0x8080u64.wrapping_sub(0x1_0000).to_le_bytes());
    let alone = Case { edges: &[(SUB32, 0)], symbols: &[0x80], slot: 0 }.link(&riscv64::FORMAT).unwrap();
    assert_eq!(alone[..4], 0x8000u32.to_le_bytes());
}

#[test]
fn lower_parts_follow_their_upper_parts() {
    let pair = |first: EdgeKind, second: EdgeKind, symbol: u64, slot: u64| {
        Case { edges: &[(first, 0), (second, 1)], symbols: &[symbol], slot }.link(&riscv64::FORMAT)
    };
    // Both fields are in one word here: the upper part is rounded, and the lower part lies over its end.
    let bytes = pair(PCREL_HI20, PCREL_LO12_I, CODE + 0x1234_5fff, 0).unwrap();
    assert_eq!(bytes[..4], 0xfff4_6080u32.to_le_bytes());
    let bytes = pair(PCREL_HI20, PCREL_LO12_S, CODE + 0x1234_5fff, 0).unwrap();
    assert_eq!(bytes[..4], (0xfe34_6f80u32 | 0x80).to_le_bytes());
    let bytes = pair(GOT_HI20, PCREL_LO12_I, 7, CODE + 0x1234_5fff).unwrap();
    assert_eq!(bytes[..4], 0xfff4_6080u32.to_le_bytes());
}

#[test]
fn a_lower_part_alone_is_an_error() {
    for kind in [PCREL_LO12_I, PCREL_LO12_S, TLSDESC_LOAD_LO12, TLSDESC_ADD_LO12] {
        let name = (riscv64::FORMAT.relocation)(kind);
        let alone = Case { edges: &[(kind, 1)], symbols: &[CODE], slot: 0 }.link(&riscv64::FORMAT).unwrap_err();
        let what = "where no relocation is that it could complete; compile the object again";
        assert_eq!(alone, format!("a.o(.text+0x0): {name} to `label`, {what}"));
        // A branch is no upper part, and a symbol of another object marks nothing.
        Case { edges: &[(WORD32, 0), (kind, 1)], symbols: &[5], slot: 0 }.link(&riscv64::FORMAT).unwrap_err();
        Case { edges: &[(kind, 0)], symbols: &[CODE], slot: 0 }.link(&riscv64::FORMAT).unwrap_err();
    }
    // An upper part needs nobody.
    link(PCREL_HI20, Way::Distance, 0).unwrap();
}

#[test]
fn two_instructions_reach_every_address_of_32_bits() {
    for address in [0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        for kind in [HI20, PCREL_HI20, CALL] {
            Case { edges: &[(kind, 0)], symbols: &[address], slot: 0 }.link(&riscv32::FORMAT).unwrap();
        }
    }
}

/// Where `jal` at the start of the code leads after all jumps and stubs, if `far` lies at an address.
fn jump_leads_to(format: &'static uruk_jitlink::format::Format, target: u64) -> u64 {
    let mut graph = LinkGraph::with_format("a.o", format);
    let mut editor = graph.edit(Stage::BeforePruning);
    let text = editor.add_section(".text", SectionKind::Code).unwrap();
    // jal ra, far; jal ra, far + 8; jal ra, own
    let code = editor.add_block(text, &[0xef, 0, 0, 0].repeat(3), 4).unwrap();
    let far = editor.external("far").unwrap();
    let own = editor.add_symbol(NewSymbol::local("own", code, 4)).unwrap();
    for (offset, symbol, addend) in [(0, far, 0), (4, far, 8), (8, own, 0)] {
        editor.add_edge(code, offset, JAL, symbol, addend).unwrap();
    }
    drop(editor);
    let mut targets = Targets::new(&graph);
    targets.set(far, Target::Known(target));
    let span = CODE..CODE + 0x1_0000;
    (graph.arch().rewrite.unwrap())(&mut graph, &targets, &span).unwrap();
    let tables = Tables::plan(&graph, &targets, &span);
    let slot_size = graph.arch().slot_size;
    let mut members = vec![Member { graph, tables, share: Share::default() }];
    let mut layout = Layout::new(&mut members, &[], Placement::Near).unwrap();
    let lanes = [CODE, CODE + 0x4000, CODE + 0x8000];
    layout.place(&mut members, lanes);
    let addresses = fixup::addresses(&members[0], &targets);
    let mut bytes = layout.demand.lanes.map(|lane| vec![0; lane.size as usize]);
    let [code, read_only, data] = &mut bytes;
    let windows = [code, read_only, data].into_iter().zip(lanes);
    let mut windows: Vec<_> = windows.map(|(bytes, address)| Window { address, bytes }).collect();
    let mut windows: [Window<'_>; 3] = std::array::from_fn(|_| windows.remove(0));
    let threads = Threads { questions: &Questions::default(), answers: &[] };
    let member = &members[0];
    Fixup { member, targets: &targets, addresses: &addresses, threads, image: 0 }.write(&mut windows).unwrap();
    let word = |at: u64| u32::from_le_bytes(bytes[0][(at - CODE) as usize..][..4].try_into().unwrap());
    let upper = |word: u32| i64::from((word & 0xffff_f000) as i32);
    let lower = |word: u32| i64::from(word as i32 >> 20);
    let jump = |at: u64| {
        let word = word(at);
        let sign = i64::from(word as i32 >> 31) << 20;
        let bits = (word >> 12 & 0xff) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3ff) << 1;
        at.wrapping_add_signed(sign | i64::from(bits))
    };
    assert_eq!(jump(CODE + 8), CODE + 4, "its own code is reached as it is");
    let call = jump(CODE);
    assert_eq!(word(call) & 0xfff, 0x17 | 28 << 7);
    let next = call.wrapping_add_signed(upper(word(call)) + lower(word(call + 4)));
    if !(CODE..CODE + 0x4000).contains(&next) {
        assert_ne!(jump(CODE + 4), call, "another addend is another place");
        return next;
    }
    // A stub, which loads the address from a slot.
    let slot = next.wrapping_add_signed(upper(word(next)) + lower(word(next + 4)));
    let slot = &bytes[1][(slot - lanes[1]) as usize..][..slot_size as usize];
    slot.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn jumps_to_other_objects_reach_all_memory() {
    for target in [CODE + 0x10_0000, CODE - 0x7000_0000, 0x7fff_ffff_0000] {
        assert_eq!(jump_leads_to(&riscv64::FORMAT, target), target);
    }
    assert_eq!(jump_leads_to(&riscv32::FORMAT, 0x1000), 0x1000);
}
