//! Mach-O objects at fixed addresses: the reach of each relocation, and the same bytes as `ld64.lld` writes.
//!
//! The sources are assembled by clang, whose assembler says which relocations they become.

#[path = "macho/assemble.rs"]
mod assemble;
#[path = "macho/link.rs"]
mod link;
#[path = "macho/lld.rs"]
mod lld;
#[path = "macho/unwind.rs"]
mod unwind;

use assemble::assemble;
use link::{BASE, Place, link};

/// Links a source at [`BASE`] with `_t` at an address, and gives the bytes of a field or the error.
fn field(arch: &str, source: &str, at: usize, size: usize, target: u64) -> Result<Vec<u8>, String> {
    let object = assemble(arch, &format!(".text\n{source}\n.subsections_via_symbols\n"));
    let bytes = link(object, Place { target, slot: None })?;
    Ok(bytes[at..at + size].to_vec())
}

/// A signed field of `size` bytes at `at`: what each of these targets, relative to [`BASE`], gives. `Err` has a part of the
/// message.
#[track_caller]
fn check(arch: &str, source: &str, (at, size): (usize, usize), cases: &[(i64, Result<i64, &str>)]) {
    for (target, expected) in cases {
        let found = field(arch, source, at, size, BASE.wrapping_add_signed(*target));
        match (&found, expected) {
            (Ok(bytes), Ok(expected)) => {
                assert_eq!(bytes[..], expected.to_le_bytes()[..size], "{source} to {target:#x}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{source} to {target:#x}: {error}"),
            _ => panic!("{source} to {target:#x}: {found:?}, expected {expected:?}"),
        }
    }
}

const MIN: i64 = i32::MIN as i64;
const MAX: i64 = i32::MAX as i64;
const X86: &str = "x86_64";
const ARM: &str = "arm64";

/// A distance in 32 bits from the end of an instruction.
#[track_caller]
fn check_distance(source: &str, at: usize, end: i64, kind: &str) {
    let cases = [
        (end, Ok(0)),
        (end + MAX, Ok(MAX)),
        (end + MIN, Ok(MIN)),
        (end + MAX + 1, Err(kind)),
        (end + MIN - 1, Err(kind)),
    ];
    check(X86, source, (at, 4), &cases);
}

#[test]
fn distances_of_x86_64() {
    check_distance("leaq _t(%rip), %rax", 3, 7, "X86_64_RELOC_SIGNED to `_t`");
    check_distance("movb $1, _t(%rip)", 2, 7, "X86_64_RELOC_SIGNED to `_t`");
    check_distance("movw $1, _t(%rip)", 3, 9, "X86_64_RELOC_SIGNED to `_t`");
    check_distance("movl $1, _t(%rip)", 2, 10, "X86_64_RELOC_SIGNED to `_t`");
    check_distance("call _t", 1, 5, "X86_64_RELOC_BRANCH to `_t`");
    check_distance("jne _t", 2, 6, "X86_64_RELOC_BRANCH to `_t`");
    // The field holds what is added.
    check(
        X86,
        "leaq _t+16(%rip), %rax",
        (3, 4),
        &[(7, Ok(16)), (7 + MAX - 16, Ok(MAX)), (7 + MAX - 15, Err("SIGNED"))],
    );
    check(X86, "movb $1, _t-16(%rip)", (2, 4), &[(7, Ok(-16)), (7 + MIN + 16, Ok(MIN)), (7 + MIN + 15, Err("SIGNED"))]);
}

#[test]
fn addresses_of_x86_64() {
    let near = |address: i64| address - BASE as i64;
    let error = "X86_64_RELOC_UNSIGNED to `_t` needs 4294967296, field holds 0..=4294967295";
    check(X86, ".long _t", (0, 4), &[(near(0), Ok(0)), (near(0xffff_ffff), Ok(-1)), (near(0x1_0000_0000), Err(error))]);
    check(X86, ".quad _t + 5", (0, 8), &[(0, Ok(BASE as i64 + 5)), (near(-1), Ok(4))]);
}

#[test]
fn differences() {
    for (arch, name) in [(X86, "X86_64_RELOC_SUBTRACTOR"), (ARM, "ARM64_RELOC_SUBTRACTOR")] {
        // From a symbol of the same block, before or behind the field.
        let source = |text: &str| format!("{text}\n.data\n.globl _t\n_t: .quad 0\n");
        let own = [(0, Ok(-8)), (8 + MAX, Ok(MAX)), (9 + MAX, Err(name)), (8 + MIN, Ok(MIN)), (7 + MIN, Err(name))];
        check(arch, &source("_f: .quad 0\n.alt_entry _here\n_here: .long _t - _here"), (8, 4), &own);
        check(arch, &source("_f: .quad 0\n.quad _t - _f + 3"), (8, 8), &[(0, Ok(3)), (1 << 40, Ok((1 << 40) + 3))]);
        // From elsewhere: another block, which lies behind.
        let other = [(16, Ok(0)), (16 + MAX, Ok(MAX)), (17 + MAX, Err(name)), (15 + MIN, Err(name))];
        check(arch, &source("_f: .long _t - _g\n.long 0\n.quad 0\n_g: .quad 0"), (0, 4), &other);
        check(
            arch,
            &source("_f: .quad _t - _g - 1\n.quad 0\n_g: .quad 0"),
            (0, 8),
            &[(16, Ok(-1)), (0x100, Ok(0x100 - 17))],
        );
    }
}

#[test]
fn slots_of_x86_64() {
    let far = BASE.wrapping_add(1 << 40);
    let link_slot = |source: &str, target: u64, slot: i64| {
        let object = assemble(X86, &format!(".text\n{source}\n.subsections_via_symbols\n"));
        link(object, Place { target, slot: Some(BASE.wrapping_add_signed(slot)) })
    };
    for (source, at, end, opcode) in
        [("movq _t@GOTPCREL(%rip), %rax", 3, 7, 0x8b), ("movq _t@TLVP(%rip), %rdi", 3, 7, 0x8b)]
    {
        for distance in [0x100, MAX & !7, MIN + 8] {
            let bytes = link_slot(source, far, (distance + end) & !7).unwrap();
            let found = i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!((i64::from(found), bytes[1]), (((distance + end) & !7) - end, opcode), "{source}");
        }
        // In reach the address is computed instead.
        let bytes = link_slot(source, BASE + 0x1000, 0x100).unwrap();
        assert_eq!((bytes[1], i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())), (0x8d, 0x1000 - 7));
    }
    let error = link_slot("pushq _t@GOTPCREL(%rip)", far, (MAX + 9) & !7).unwrap_err();
    assert!(error.contains("X86_64_RELOC_GOT to `_t`"), "{error}");
}

#[test]
fn instructions_of_arm64() {
    let branch = |distance: i64| 0x9400_0000 | (distance >> 2 & 0x3ff_ffff);
    let reach = 1i64 << 27;
    let name = "ARM64_RELOC_BRANCH26 to `_t`";
    let cases = [
        (8, Ok(branch(8))),
        (reach - 4, Ok(branch(reach - 4))),
        (-reach, Ok(branch(-reach))),
        (reach, Err(name)),
        (-reach - 4, Err(name)),
        (2, Err("multiple of 4")),
    ];
    check(ARM, "bl _t", (0, 4), &cases);
    check(ARM, "bl _t + 8", (0, 4), &[(reach - 12, Ok(branch(reach - 4))), (reach - 8, Err(name))]);

    let page = |pages: i64| 0x9000_0000 | (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5;
    let name = "ARM64_RELOC_PAGE21 to `_t`";
    let pages = 1i64 << 20;
    let cases = [
        (0xfff, Ok(page(0))),
        (-1, Ok(page(-1))),
        ((pages - 1) << 12 | 0xfff, Ok(page(pages - 1))),
        (-pages << 12, Ok(page(-pages))),
        (pages << 12, Err(name)),
        ((-pages << 12) - 1, Err(name)),
    ];
    check(ARM, "adrp x0, _t@PAGE", (0, 4), &cases);
    check(ARM, "adrp x0, _t@PAGE + 0x5000", (0, 4), &[(0, Ok(page(5))), (-0x5001, Ok(page(-1)))]);
    // clang writes a wrong type where less than nothing is added.
    let mut object = assemble(ARM, ".text\nadrp x0, _t@PAGE + 0x123456\n");
    let at = object.windows(3).position(|window| window == [0x56, 0x34, 0x12]).unwrap();
    object[at..at + 3].copy_from_slice(&[0, 0xb0, 0xff]);
    let bytes = link(object, Place { target: BASE, slot: None }).unwrap();
    assert_eq!(bytes[..], page(-5).to_le_bytes()[..4]);
}

#[test]
fn page_offsets_of_arm64_are_scaled_as_the_instruction_is() {
    let low = |word: i64, offset: i64| word | offset << 10;
    let misaligned = |align: u32| format!("multiple of {align}");
    for (source, word, log2) in [
        ("add x0, x0, _t@PAGEOFF", 0x9100_0000, 0),
        ("ldrb w0, [x0, _t@PAGEOFF]", 0x3940_0000, 0),
        ("ldrsh w0, [x0, _t@PAGEOFF]", 0x79c0_0000, 1),
        ("str w0, [x0, _t@PAGEOFF]", 0xb900_0000, 2),
        ("ldr x0, [x0, _t@PAGEOFF]", 0xf940_0000, 3),
        ("ldr d0, [x0, _t@PAGEOFF]", 0xfd40_0000, 3),
        ("ldr q0, [x0, _t@PAGEOFF]", 0x3dc0_0000, 4),
    ] {
        let last = 0x1000 - (1 << log2);
        let mut cases = vec![(0, Ok(low(word, 0))), (0x7000 + last, Ok(low(word, last >> log2)))];
        let error = misaligned(1 << log2);
        if log2 != 0 {
            cases.push((last + 1, Err(&*error)));
        }
        check(ARM, source, (0, 4), &cases);
    }
    check(ARM, "add x0, x0, _t@PAGEOFF + 5", (0, 4), &[(0xffe, Ok(low(0x9100_0000, 3)))]);
}

#[test]
fn slots_of_arm64() {
    let source =
        ".text\n_f: adrp x1, _t@GOTPAGE\nldr x1, [x1, _t@GOTPAGEOFF]\n.long _t@GOT - .\n.subsections_via_symbols\n";
    let words = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    };
    let place = Place { target: BASE + (1 << 40), slot: Some(BASE + 0x3010) };
    let bytes = link(assemble(ARM, source), place).unwrap();
    // Three pages on, two words behind the page's start.
    assert_eq!(words(&bytes), [0xf000_0001, 0xf940_0821, 0x3008]);
    // In reach, without the slot that the distance asks for.
    let source = source.replace(".long _t@GOT - .\n", "");
    let place = Place { target: BASE + 0x3015, slot: None };
    let bytes = link(assemble(ARM, &source), place).unwrap();
    assert_eq!(words(&bytes), [0xf000_0001, 0x9100_5421]);
    let source = source.replace("GOTPAGE", "TLVPPAGE");
    let bytes = link(assemble(ARM, &source), Place { target: BASE + 0x3015, slot: None }).unwrap();
    assert_eq!(words(&bytes), [0xf000_0001, 0x9100_5421]);
}

#[test]
fn references_into_sections_follow_what_they_point_at() {
    // Labels that are in no symbol table: the field holds an address of the object.
    let source = ".text\n_f: leaq L_one(%rip), %rax\nmovl $7, L_word(%rip)\n.quad L_two\n.quad _f\n
        .cstring\nL_zero: .asciz \"zero\"\nL_one: .asciz \"one\"\nL_two: .asciz \"two\"\n
        .data\n_a: .long 1\n_b: .long 2\nL_word: .long 3\n.subsections_via_symbols\n";
    let graph = link::read(assemble(X86, source));
    let f = graph.block(graph.block_of(graph.find_symbol(b"_f").unwrap()).unwrap());
    let edges = graph.edges(f);
    let text = |index: usize| {
        let edge = &edges[index];
        let target = graph.symbol(edge.target);
        let uruk_jitlink::graph::Definition::Block(block) = target.definition else { panic!("it is defined") };
        let content = graph.content(graph.block(block));
        (String::from_utf8_lossy(content).into_owned(), graph.addend(edge))
    };
    assert_eq!(text(0), ("one\0".into(), -4));
    assert_eq!(text(1), ("\u{2}\0\0\0\u{3}\0\0\0".into(), 4 - 8), "behind `_b`, and from the end of the instruction");
    assert_eq!(text(2), ("two\0".into(), 0));
    assert_eq!(edges.len(), 4);
}

#[test]
fn the_bytes_are_those_of_ld64_lld() {
    for seed in 0..12 {
        lld::compare(X86, seed);
        lld::compare(ARM, seed);
    }
}
