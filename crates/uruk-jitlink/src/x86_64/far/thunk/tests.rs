//! Thunks as text: the expected code is what `as` makes of the lines beside it.

use super::*;
use crate::x86_64::{ABS32, ABS32S, PC32};
use iced_x86::{Decoder, DecoderOptions};

/// A reference out of reach at an offset of the instruction.
fn far(at: usize, kind: EdgeKind) -> Reference {
    Reference { at, kind, relative: kind == PC32, far: true }
}

fn near(at: usize, kind: EdgeKind) -> Reference {
    Reference { far: false, ..far(at, kind) }
}

fn make(instruction: &str, references: &[Reference], kept: Option<Register>) -> Option<Thunk> {
    let bytes = bytes(instruction);
    let mut decoder = Decoder::with_ip(64, &bytes, 0x100, DecoderOptions::NONE);
    let instruction = decoder.decode();
    assert_eq!(instruction.len(), bytes.len(), "not one instruction");
    let offsets = decoder.get_constant_offsets(&instruction);
    thunk(&instruction, &offsets, references, kept)
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn check(instruction: &str, references: &[Reference], lines: &[&str]) -> Thunk {
    let thunk = make(instruction, references, None).unwrap_or_else(|| panic!("{instruction} is refused"));
    let code: Vec<String> = thunk.code.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(code.join(" "), lines.join(" "), "{instruction}");
    thunk
}

fn refused(instruction: &str, references: &[Reference]) {
    assert_eq!(make(instruction, references, None), None, "{instruction}");
}

const DOWN: &str = "48 8d 64 24 80"; // lea -128(%rsp), %rsp
const UP: &str = "48 8d a4 24 80 00 00 00"; // lea 128(%rsp), %rsp
const RAX: &str = "48 b8 00 00 00 00 00 00 00 00"; // movabs $0, %rax
const BACK: &str = "e9 00 00 00 00";

#[test]
fn loads_use_the_register_that_they_overwrite() {
    // mov x(%rip), %rax: mov (%rax), %rax
    let thunk = check("48 8b 05 00 00 00 00", &[far(3, PC32)], &[RAX, "48 8b 00", BACK]);
    assert_eq!(thunk.fields, [Field { at: 2, reference: 0, kind: ABS64, more: 4 }]);
    assert_eq!((thunk.steps, thunk.way), (vec![], Way::There(14)));
    // movzbl x(%rip), %ebp: movzbl (%rbp), %ebp, which needs a displacement
    check("0f b6 2d 00 00 00 00", &[far(3, PC32)], &["48 bd 00 00 00 00 00 00 00 00 0f b6 6d 00", BACK]);
    // mov x(,%rcx,8), %rdx: mov (%rdx,%rcx,8), %rdx
    let thunk =
        check("48 8b 14 cd 00 00 00 00", &[far(4, ABS32S)], &["48 ba 00 00 00 00 00 00 00 00 48 8b 14 ca", BACK]);
    assert_eq!(thunk.fields[0].more, 0);
    // mov x(%rbx,%rcx,8), %rdx: lea (%rdx,%rbx), %rdx; mov (%rdx,%rcx,8), %rdx
    check(
        "48 8b 94 cb 00 00 00 00",
        &[far(4, ABS32S)],
        &["48 ba 00 00 00 00 00 00 00 00 48 8d 14 1a 48 8b 14 ca", BACK],
    );
}

#[test]
fn addresses_become_64_bits_wide() {
    check("bf 00 00 00 00", &[far(1, ABS32)], &["48 bf 00 00 00 00 00 00 00 00", BACK]); // mov $x, %edi
    check("48 c7 c0 00 00 00 00", &[far(3, ABS32S)], &[RAX, BACK]); // mov $x, %rax
    check("4c 8d 05 00 00 00 00", &[far(3, PC32)], &["49 b8 00 00 00 00 00 00 00 00", BACK]); // lea x(%rip), %r8
    check("48 8d 04 25 00 00 00 00", &[far(4, ABS32S)], &[RAX, BACK]); // lea x, %rax
}

#[test]
fn other_forms_borrow_a_register_below_the_red_zone() {
    // mov %eax, x(%rip): push %rcx; mov %eax, (%rcx); pop %rcx
    let movabs = "48 b9 00 00 00 00 00 00 00 00";
    let thunk = check("89 05 00 00 00 00", &[far(2, PC32)], &[DOWN, "51", movabs, "89 01 59", UP, BACK]);
    let steps = [(5, 128), (6, 136), (19, 128), (27, 0)];
    assert_eq!(thunk.steps, steps.map(|(at, depth)| Step { at, depth }));
    // cmpl $0, x(%rip), whose field is five bytes from the end
    let thunk = check("83 3d 00 00 00 00 00", &[far(2, PC32)], &[DOWN, "50", RAX, "83 38 00 58", UP, BACK]);
    assert_eq!(thunk.fields, [Field { at: 8, reference: 0, kind: ABS64, more: 5 }]);
    // movss x(%rip), %xmm0; add x(%rip), %rax; cmp $x, %rax
    check("f3 0f 10 05 00 00 00 00", &[far(4, PC32)], &[DOWN, "50", RAX, "f3 0f 10 00 58", UP, BACK]);
    check("48 03 05 00 00 00 00", &[far(3, PC32)], &[DOWN, "51", movabs, "48 03 01 59", UP, BACK]);
    check("48 3d 00 00 00 00", &[far(2, ABS32S)], &[DOWN, "51", movabs, "48 39 c8 59", UP, BACK]);
    // movq $x, (%rdi): mov %rax, (%rdi)
    check("48 c7 07 00 00 00 00", &[far(3, ABS32S)], &[DOWN, "50", RAX, "48 89 07 58", UP, BACK]);
    // movq $x, 8(%rsp): the stack is 136 bytes lower meanwhile
    let moved = "48 89 84 24 90 00 00 00 58";
    check("48 c7 44 24 08 00 00 00 00", &[far(5, ABS32S)], &[DOWN, "50", RAX, moved, UP, BACK]);
    // mov %rsp, x(%rip): lea 144(%rsp), %rcx; mov %rcx, (%rax)
    let store = "48 8d 8c 24 90 00 00 00 48 b8 00 00 00 00 00 00 00 00 48 89 08 59 58";
    check("48 89 25 00 00 00 00", &[far(3, PC32)], &[DOWN, "50 51", store, UP, BACK]);
}

#[test]
fn what_is_near_moves_along() {
    // movq $far, near(%rip): mov %rax, near(%rip); four bytes less follow the field
    let thunk = make("48 c7 05 00 00 00 00 00 00 00 00", &[near(3, PC32), far(7, ABS32S)], None).unwrap();
    assert_eq!(thunk.code[16..19], [0x48, 0x89, 0x05]);
    assert_eq!(thunk.fields[1], Field { at: 19, reference: 0, kind: PC32, more: 4 });
    // cmpl $near, far(%rip): the immediate keeps its size
    let thunk = make("81 3d 00 00 00 00 00 00 00 00", &[far(2, PC32), near(6, ABS32)], None).unwrap();
    assert_eq!(thunk.code[16..18], [0x81, 0x38]);
    assert_eq!(thunk.fields[0], Field { at: 8, reference: 0, kind: ABS64, more: 8 });
    assert_eq!(thunk.fields[1], Field { at: 18, reference: 1, kind: ABS32, more: 0 });
}

#[test]
fn the_stack_instructions_have_their_own_ways() {
    // push $x: lea -8(%rsp), %rsp; …; mov %rax, 136(%rsp)
    let room = "48 8d 64 24 f8";
    check("68 00 00 00 00", &[far(1, ABS32S)], &[room, DOWN, "50", RAX, "48 89 84 24 88 00 00 00 58", UP, BACK]);
    // jmp *x(%rip): lea -136(%rsp), %rsp; push %rax; …; mov (%rax), %rax; mov %rax, 8(%rsp); pop %rax; ret $128
    let jump = ["48 8d a4 24 78 ff ff ff 50", RAX, "48 8b 00 48 89 44 24 08 58 c2 80 00"];
    assert_eq!(check("ff 25 00 00 00 00", &[far(2, PC32)], &jump).way, Way::Gone);
    let call = [room, "50", RAX, "48 8b 00 48 89 44 24 08 58 c3"];
    assert_eq!(check("ff 15 00 00 00 00", &[far(2, PC32)], &call).way, Way::Called);
}

#[test]
fn registers_that_unwinding_counts_from_stay() {
    // mov x(%rip), %rax with a frame address that counts from %rax
    let thunk = make("48 8b 05 00 00 00 00", &[far(3, PC32)], Some(Register::RAX)).unwrap();
    assert_eq!(thunk.code[5], 0x51); // push %rcx
}

#[test]
fn what_cannot_be_right_is_refused() {
    refused("3d 00 00 00 00", &[far(1, ABS32)]); // cmp $x, %eax
    refused("c7 44 24 08 00 00 00 00", &[far(4, ABS32)]); // movl $x, 8(%rsp)
    refused("81 c7 00 00 00 00", &[far(2, ABS32)]); // add $x, %edi
    refused("8d 05 00 00 00 00", &[far(2, PC32)]); // lea x(%rip), %eax
    refused("8d 87 00 00 00 00", &[far(2, ABS32S)]); // lea x(%rdi), %eax
    refused("48 69 c0 00 00 00 00", &[far(3, ABS32S)]); // imul $x, %rax
    refused("64 8b 04 25 00 00 00 00", &[far(4, ABS32S)]); // mov %fs:x, %eax
    refused("67 8b 04 8d 00 00 00 00", &[far(4, ABS32S)]); // mov x(,%ecx,4), %eax
    refused("48 8b 84 24 00 00 00 00", &[far(4, ABS32S)]); // mov x(%rsp), %rax
    refused("48 8b 25 00 00 00 00", &[far(3, PC32)]); // mov x(%rip), %rsp
    refused("48 03 25 00 00 00 00", &[far(3, PC32)]); // add x(%rip), %rsp
    refused("0f 84 00 00 00 00", &[far(2, PC32)]); // je x
    refused("48 8b 05 00 00 00 00", &[far(2, PC32)]); // no field there
    refused("48 b8 00 00 00 00 00 00 00 00", &[far(2, ABS32)]); // a field of another size
    refused("48 c7 05 00 00 00 00 00 00 00 00", &[far(7, ABS32S)]); // movq $x, here(%rip), without a reference to here
}
