//! Unwind records made of compact ones say of a function's body what the compiler's own of the other kind say.

use crate::assemble::{assemble, compile};
use crate::link::{self, BASE};
use gimli::{BaseAddresses, CieOrFde, DebugFrame, EhFrame, EndianSlice, LittleEndian, UnwindContext, UnwindSection};
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Member, Share};
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;

/// Functions that save any number of registers of each class, with and without a frame pointer, and have large frames.
const FUNCTIONS: &str = r#"
    int g(int); double h(double);
    int leaf(int a) { return a + 1; }
    int leaf_with_room(int a) { volatile char room[500]; room[a] = 1; return room[a + 1]; }
    #if __aarch64__
    #define SAVED "x19", "x20", "x23", "x24", "d10", "d11"
    #else
    #define SAVED "rbx", "r14", "r13"
    #endif
    int leaf_that_saves(int a) { __asm__ volatile("" ::: SAVED); return a; }
    int one(int a) { return g(a) + 1; }
    int two(int a, int b) { return g(a) + b; }
    int four(int a, int b, int c) { int x = g(a), y = g(b); return x + y + c + g(x); }
    int many(int a, int b, int c, int d, int e, int f) {
        int x = g(a), y = g(b), z = g(c), u = g(d), v = g(e), w = g(f);
        return g(x) + y * z + u * v + w + g(x + y + z + u + v + w + a + b + c + d + e + f);
    }
    double numbers(double a, double b, double c, double d) {
        double x = h(a), y = h(b), z = h(c), w = h(d);
        return h(x * y) + h(z * w) + x + y + z + w + a * b + c * d + h(x + y + z + w + a + b + c + d);
    }
    double both(int a, double b) { int i = g(a); double x = h(b); return g(i) * h(x) + i + x + a + b; }
    int large(int a) { volatile char room[50000]; room[a] = 1; return g(room[a + 1]) + room[a]; }
    int varied(int n) { volatile char *room = __builtin_alloca(n); room[0] = 1; return g(room[n - 1]); }
"#;

/// Where a function begins and how long it is; where its caller's frame is, and where registers were saved, in its body.
type Body = (u64, u64, String);

/// What records say of bodies, which are where the longest row is.
fn bodies<'a, S: UnwindSection<EndianSlice<'a, LittleEndian>>>(section: &S, address: u64) -> Vec<Body>
where
    S::Offset: gimli::UnwindOffset<usize>,
{
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut entries = section.entries(&bases);
    let mut found = Vec::new();
    while let Some(entry) = entries.next().unwrap() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let fde = partial.parse(S::cie_from_offset).unwrap();
        let mut context = UnwindContext::new();
        let mut table = fde.rows(section, &bases, &mut context).unwrap();
        let mut longest = (0, String::new());
        while let Some(row) = table.next_row().unwrap() {
            let mut registers: Vec<_> = row.registers().map(|(register, rule)| (register.0, rule.clone())).collect();
            registers.sort_by_key(|(register, _)| *register);
            let length = row.end_address() - row.start_address();
            if longest.0 < length {
                longest = (length, format!("{:?} {registers:?}", row.cfa()));
            }
        }
        found.push((fde.initial_address(), fde.len(), longest.1));
    }
    found.sort();
    found
}

/// What the records say that a graph has in the end.
fn made(object: Vec<u8>) -> Vec<Body> {
    let graph = link::read(object);
    let mut targets = Targets::new(&graph);
    for (id, symbol) in graph.globals() {
        if symbol.definition == Definition::Undefined {
            targets.set(id, Target::Known(BASE));
        }
    }
    let mut member = Member { graph, tables: Tables::default(), share: Share::default() };
    let mut at = BASE;
    let mut records = BASE..BASE;
    for block in &mut member.graph.blocks {
        block.address = align_up(at, block.align_log2);
        at = block.address + block.size;
        if member.graph.sections[block.section.0 as usize].kind == SectionKind::EhFrame {
            records = block.address..at;
        }
    }
    let mut bytes = vec![0; (at - BASE) as usize];
    link::write(&member, &targets, BASE, &mut bytes).unwrap();
    let bytes = &bytes[(records.start - BASE) as usize..(records.end - BASE) as usize];
    bodies(&EhFrame::new(bytes, LittleEndian), records.start)
}

/// What `__debug_frame` of an object says, whose addresses nobody has relocated.
fn said(object: &[u8]) -> Vec<Body> {
    const OFFSET: usize = 48;
    let header = object.windows(16).position(|name| name == b"__debug_frame\0\0\0").unwrap();
    let word = |at: usize| u64::from_le_bytes(object[at..at + 8].try_into().unwrap());
    let (size, start) = (word(header + OFFSET - 8) as usize, word(header + OFFSET) as u32 as usize);
    let mut section = DebugFrame::new(&object[start..start + size], LittleEndian);
    section.set_address_size(8);
    bodies(&section, 0)
}

#[test]
fn compact_records_say_what_the_others_say() {
    for (arch, options) in [
        ("x86_64", &["-O0"][..]),
        ("x86_64", &["-O2"]),
        ("x86_64", &["-O2", "-fomit-frame-pointer"]),
        ("arm64", &["-O0"]),
        ("arm64", &["-O2"]),
        ("arm64", &["-Os"]),
    ] {
        let options = [&["-S", "-ffreestanding", "-funwind-tables", "-femit-dwarf-unwind=no-compact-unwind"], options];
        let assembly = String::from_utf8(compile(arch, "a.c", FUNCTIONS, &options.concat())).unwrap();
        let said = said(&assemble(arch, &format!(".cfi_sections .debug_frame\n{assembly}")));
        let made = made(assemble(arch, &assembly));
        assert_eq!(made.len(), 11, "{arch} {options:?}");
        assert_eq!(said.len(), made.len());
        for (made, said) in made.iter().zip(&said) {
            assert_eq!((made.0 - BASE, made.1, &made.2), (said.0, said.1, &said.2), "{arch} {options:?}");
        }
    }
}
