//! Operands of instructions against what `llvm-mc --disassemble --show-inst` of LLVM 22 shows for the same bytes.

use crate::check::{InstructionSet, Operand};

/// Compares the operands of each row's bytes: immediates, and `r` for others.
fn check(set: InstructionSet, rows: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (hex, expected) in rows {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digits).collect();
        let decoded = set.decode(&bytes);
        let decoded = decoded.as_ref().filter(|decoded| decoded.length == bytes.len() as u64);
        let operands = decoded.and_then(|decoded| decoded.operands.as_ref()).map(|operands| {
            let words = operands.iter().map(|operand| match operand {
                Operand::Immediate(value) => value.to_string(),
                Operand::Other => "r".to_string(),
            });
            words.collect::<Vec<_>>().join(" ")
        });
        if operands.as_deref() != Some(expected) {
            wrong.push(format!("{hex}: {operands:?} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn x86_64() {
    check(InstructionSet::X86_64, X86_64);
}

#[test]
fn aarch64() {
    check(InstructionSet::Aarch64, AARCH64);
}

#[test]
fn riscv() {
    check(InstructionSet::Riscv64, RISCV64);
    check(InstructionSet::Riscv32, RISCV32);
}

#[rustfmt::skip]
const X86_64: &[(&str, &str)] = &[
    ("e900000000", "0"), // jmp 0x5
    ("0f8500000000", "0 5"), // jne 0xb
    ("e800000000", "0"), // callq 0x10
    ("ff1545230100", "r 1 r 74565 r"), // callq *0x12345(%rip)
    ("ff2545230100", "r 1 r 74565 r"), // jmpq *0x12345(%rip)
    ("488b0545230100", "r r 1 r 74565 r"), // movq 0x12345(%rip), %rax
    ("488d0545230100", "r r 1 r 74565 r"), // leaq 0x12345(%rip), %rax
    ("48030545230100", "r r r 1 r 74565 r"), // addq 0x12345(%rip), %rax
    ("48010545230100", "r 1 r 74565 r r"), // addq %rax, 0x12345(%rip)
    ("480567452301", "19088743"), // addq $0x1234567, %rax
    ("4881c367452301", "r r 19088743"), // addq $0x1234567, %rbx
    ("4883c304", "r r 4"), // addq $0x4, %rbx
    ("48833d4523010004", "r 1 r 74565 r 4"), // cmpq $0x4, 0x12345(%rip)
    ("3d78563412", "305419896"), // cmpl $0x12345678, %eax
    ("3b0545230100", "r r 1 r 74565 r"), // cmpl 0x12345(%rip), %eax
    ("b805000000", "r 5"), // movl $0x5, %eax
    ("48c7c005000000", "r 5"), // movq $0x5, %rax
    ("6a03", "3"), // pushq $0x3
    ("486b054523010003", "r r 1 r 74565 r 3"), // imulq $0x3, 0x12345(%rip), %rax
    ("486bc303", "r r 3"), // imulq $0x3, %rbx, %rax
    ("480faf0545230100", "r r r 1 r 74565 r"), // imulq 0x12345(%rip), %rax
    ("48a903000000", "3"), // testq $0x3, %rax
    ("48f7c303000000", "r 3"), // testq $0x3, %rbx
    ("f6054523010003", "r 1 r 74565 r 3"), // testb $0x3, 0x12345(%rip)
    ("480f450545230100", "r r r 1 r 74565 r 5"), // cmovneq 0x12345(%rip), %rax
    ("0f950545230100", "r 1 r 74565 r 5"), // setne 0x12345(%rip)
    ("0f95c0", "r 5"), // setne %al
    ("48870545230100", "r r r 1 r 74565 r"), // xchgq %rax, 0x12345(%rip)
    ("480fc10545230100", "r r r 1 r 74565 r"), // xaddq %rax, 0x12345(%rip)
    ("f0", ""), // lock
    ("480fb10545230100", "r 1 r 74565 r r"), // cmpxchgq %rax, 0x12345(%rip)
    ("48c1e003", "r r 3"), // shlq $0x3, %rax
    ("48d1e0", "r r"), // shlq %rax
    ("48d3e0", "r r"), // shlq %cl, %rax
    ("48c1254523010003", "r 1 r 74565 r 3"), // shlq $0x3, 0x12345(%rip)
    ("48d12545230100", "r 1 r 74565 r"), // shlq 0x12345(%rip)
    ("48ffc0", "r r"), // incq %rax
    ("48ff0545230100", "r 1 r 74565 r"), // incq 0x12345(%rip)
    ("f71d45230100", "r 1 r 74565 r"), // negl 0x12345(%rip)
    ("48f7d0", "r r"), // notq %rax
    ("f30f100545230100", "r r 1 r 74565 r"), // movss 0x12345(%rip), %xmm0
    ("0f290545230100", "r 1 r 74565 r r"), // movaps %xmm0, 0x12345(%rip)
    ("f20f580545230100", "r r r 1 r 74565 r"), // addsd 0x12345(%rip), %xmm0
    ("c5fb580d45230100", "r r r 1 r 74565 r"), // vaddsd 0x12345(%rip), %xmm0, %xmm1
    ("660fef0545230100", "r r r 1 r 74565 r"), // pxor 0x12345(%rip), %xmm0
    ("660f70054523010003", "r r 1 r 74565 r 3"), // pshufd $0x3, 0x12345(%rip), %xmm0
    ("f20f2a0545230100", "r r r 1 r 74565 r"), // cvtsi2sdl 0x12345(%rip), %xmm0
    ("f2480f2c0545230100", "r r 1 r 74565 r"), // cvttsd2si 0x12345(%rip), %rax
    ("660f2e0545230100", "r r 1 r 74565 r"), // ucomisd 0x12345(%rip), %xmm0
    ("0fb60545230100", "r r 1 r 74565 r"), // movzbl 0x12345(%rip), %eax
    ("48630545230100", "r r 1 r 74565 r"), // movslq 0x12345(%rip), %rax
    ("ff3545230100", "r 1 r 74565 r"), // pushq 0x12345(%rip)
    ("8f0545230100", "r 1 r 74565 r"), // popq 0x12345(%rip)
    ("48f72545230100", "r 1 r 74565 r"), // mulq 0x12345(%rip)
    ("48f73545230100", "r 1 r 74565 r"), // divq 0x12345(%rip)
    ("cc", ""), // int3
    ("c20800", "8"), // retq $0x8
    ("480fbae003", "r 3"), // btq $0x3, %rax
    ("480fba2d4523010003", "r 1 r 74565 r 3"), // btsq $0x3, 0x12345(%rip)
    ("480fa4054523010003", "r 1 r 74565 r r 3"), // shldq $0x3, %rax, 0x12345(%rip)
    ("480fa4c303", "r r r 3"), // shldq $0x3, %rax, %rbx
    ("481b0545230100", "r r r 1 r 74565 r"), // sbbq 0x12345(%rip), %rax
    ("481511110100", "69905"), // adcq $0x11111, %rax
    ("64488b042500000000", "r r 1 r 0 r"), // movq %fs:0x0, %rax
    ("0f1f0545230100", "r 1 r 74565 r"), // nopl 0x12345(%rip)
    ("0f180d45230100", "r 1 r 74565 r"), // prefetcht0 0x12345(%rip)
    ("480fc8", "r r"), // bswapq %rax
    ("31c0", "r r r"), // xorl %eax, %eax
    ("e200", "0"), // loop 0x1c2
    ("e300", "0"), // jrcxz 0x1c4
    ("eb02", "2"), // jmp 0x1c8
    ("dd0545230100", "r 1 r 74565 r"), // fldl 0x12345(%rip)
    ("dd1d45230100", "r 1 r 74565 r"), // fstpl 0x12345(%rip)
    ("c4e2f8f71d45230100", "r r 1 r 74565 r r"), // bextrq %rax, 0x12345(%rip), %rbx
    ("c4e27d000d45230100", "r r r 1 r 74565 r"), // vpshufb 0x12345(%rip), %ymm0, %ymm1
    ("c4e2f9a90d45230100", "r r r r 1 r 74565 r"), // vfmadd213sd 0x12345(%rip), %xmm0, %xmm1
    ("c5fc280545230100", "r r 1 r 74565 r"), // vmovaps 0x12345(%rip), %ymm0
    ("660fc4054523010003", "r r r 1 r 74565 r 3"), // pinsrw $0x3, 0x12345(%rip), %xmm0
    ("f20fc2054523010000", "r r r 1 r 74565 r 0"), // cmpeqsd 0x12345(%rip), %xmm0
    ("0fc6054523010003", "r r r 1 r 74565 r 3"), // shufps $0x3, 0x12345(%rip), %xmm0
    ("0f120545230100", "r r r 1 r 74565 r"), // movlps 0x12345(%rip), %xmm0
    ("0f160545230100", "r r r 1 r 74565 r"), // movhps 0x12345(%rip), %xmm0
    ("0f170545230100", "r 1 r 74565 r r"), // movhps %xmm0, 0x12345(%rip)
    ("f20f510545230100", "r r r 1 r 74565 r"), // sqrtsd 0x12345(%rip), %xmm0
    ("04ff", "-1"), // addb $-0x1, %al
    ("80c1ff", "r r -1"), // addb $-0x1, %cl
    ("6683c1ff", "r r -1"), // addw $-0x1, %cx
    ("6683c0ff", "r r -1"), // addw $-0x1, %ax
    ("83c1ff", "r r -1"), // addl $-0x1, %ecx
    ("83c0ff", "r r -1"), // addl $-0x1, %eax
    ("0500000080", "2147483648"), // addl $0x80000000, %eax
    ("81c100000080", "r r 2147483648"), // addl $0x80000000, %ecx
    ("b1ff", "r -1"), // movb $-0x1, %cl
    ("66b9ffff", "r 65535"), // movw $0xffff, %cx
    ("b9ffffffff", "r 4294967295"), // movl $0xffffffff, %ecx
    ("48c7c1ffffffff", "r -1"), // movq $-0x1, %rcx
    ("66c70534120000ffff", "r 1 r 4660 r 65535"), // movw $0xffff, 0x1234(%rip)
    ("c60534120000ff", "r 1 r 4660 r -1"), // movb $-0x1, 0x1234(%rip)
    ("48c70534120000ffffffff", "r 1 r 4660 r -1"), // movq $-0x1, 0x1234(%rip)
    ("6aff", "-1"), // pushq $-0x1
    ("6845230100", "74565"), // pushq $0x12345
    ("666aff", "-1"), // pushw $-0x1
    ("8038ff", "r 1 r 0 r -1"), // cmpb $-0x1, (%rax)
    ("f600ff", "r 1 r 0 r -1"), // testb $-0x1, (%rax)
    ("f700ffffffff", "r 1 r 0 r 4294967295"), // testl $0xffffffff, (%rax)
    ("488b448df8", "r r 4 r -8 r"), // movq -0x8(%rbp,%rcx,4), %rax
    ("48898424bbdcfeff", "r 1 r -74565 r r"), // movq %rax, -0x12345(%rsp)
    ("488b04cd08000000", "r r 8 r 8 r"), // movq 0x8(,%rcx,8), %rax
    ("48c1e03f", "r r 63"), // shlq $0x3f, %rax
    ("c3", ""), // retq
    ("c2ffff", "-1"), // retq $-0x1
    ("c9", ""), // leave
    ("4891", "r r"), // xchgq %rcx, %rax
    ("4887ca", "r r r r"), // xchgq %rdx, %rcx
    ("87ca", "r r r r"), // xchgl %edx, %ecx
    ("480fc1c1", "r r r r"), // xaddq %rax, %rcx
    ("480fb1c1", "r r"), // cmpxchgq %rax, %rcx
    ("90", ""), // nop
    ("660f1f440010", "r 1 r 16 r"), // nopw 0x10(%rax,%rax)
    ("4899", ""), // cqto
    ("0fa2", ""), // cpuid
    ("0f05", ""), // syscall
    ("0f0b", ""), // ud2
    ("f30f1efa", ""), // endbr64
    ("66480f6ec0", "r r"), // movq %rax, %xmm0
    ("660f7ec0", "r r"), // movd %xmm0, %eax
    ("660fd600", "r 1 r 0 r r"), // movq %xmm0, (%rax)
    ("0f28c1", "r r"), // movaps %xmm1, %xmm0
    ("f30f10c1", "r r r"), // movss %xmm1, %xmm0
    ("f20f10c1", "r r r"), // movsd %xmm1, %xmm0
    ("f20f58c1", "r r r"), // addsd %xmm1, %xmm0
    ("f20f51c1", "r r r"), // sqrtsd %xmm1, %xmm0
    ("f30f5a4008", "r r r 1 r 8 r"), // cvtss2sd 0x8(%rax), %xmm0
    ("f20f5ac1", "r r r"), // cvtsd2ss %xmm1, %xmm0
    ("f2480f2ac0", "r r r"), // cvtsi2sd %rax, %xmm0
    ("f3480f2a4008", "r r r 1 r 8 r"), // cvtsi2ssq 0x8(%rax), %xmm0
    ("660f3a0b400803", "r r r 1 r 8 r 3"), // roundsd $0x3, 0x8(%rax), %xmm0
    ("0f14c1", "r r r"), // unpcklps %xmm1, %xmm0
    ("660fc5c103", "r r 3"), // pextrw $0x3, %xmm1, %eax
    ("660f73d003", "r r 3"), // psrlq $0x3, %xmm0
    ("c5f32a4008", "r r r 1 r 8 r"), // vcvtsi2sdl 0x8(%rax), %xmm1, %xmm0
    ("c4e3fd00400803", "r r 1 r 8 r 3"), // vpermq $0x3, 0x8(%rax), %ymm0
    ("c5fc114008", "r 1 r 8 r r"), // vmovups %ymm0, 0x8(%rax)
    ("c5f1c4150800000003", "r r r 1 r 8 r 3"), // vpinsrw $0x3, 0x8(%rip), %xmm1, %xmm2
    ("58", "r"), // popq %rax
    ("50", "r"), // pushq %rax
    ("f3480fb80508000000", "r r 1 r 8 r"), // popcntq 0x8(%rip), %rax
    ("f3480fbd0508000000", "r r 1 r 8 r"), // lzcntq 0x8(%rip), %rax
    ("480fbc0508000000", "r r r 1 r 8 r"), // bsfq 0x8(%rip), %rax
    ("480fbdc1", "r r r"), // bsrq %rcx, %rax
    ("48d33d08000000", "r 1 r 8 r"), // sarq %cl, 0x8(%rip)
    ("48d10508000000", "r 1 r 8 r"), // rolq 0x8(%rip)
    ("48d1c0", "r r"), // rolq %rax
    ("ff0d08000000", "r 1 r 8 r"), // decl 0x8(%rip)
    ("ffd0", "r"), // callq *%rax
    ("ffe0", "r"), // jmpq *%rax
    ("ff545808", "r 2 r 8 r"), // callq *0x8(%rax,%rbx,2)
    ("ff24c500000000", "r 8 r 0 r"), // jmpq *(,%rax,8)
    ("480f4fc1", "r r r 15"), // cmovgq %rcx, %rax
    ("0f9fc1", "r 15"), // setg %cl
    ("4811c8", "r r r"), // adcq %rcx, %rax
    ("48110d08000000", "r 1 r 8 r r"), // adcq %rcx, 0x8(%rip)
    ("4883ec08", "r r 8"), // subq $0x8, %rsp
    ("4883e4f0", "r r -16"), // andq $-0x10, %rsp
    ("0f57c0", "r r r"), // xorps %xmm0, %xmm0
    ("480fa3c1", "r r"), // btq %rax, %rcx
    ("480fabc1", "r r r"), // btsq %rax, %rcx
    ("c4e2fbf60d08000000", "r r r 1 r 8 r"), // mulxq 0x8(%rip), %rax, %rcx
    ("c4e2f8f20d08000000", "r r r 1 r 8 r"), // andnq 0x8(%rip), %rax, %rcx
    ("480f38f00508000000", "r r 1 r 8 r"), // movbeq 0x8(%rip), %rax
    ("d9e8", ""), // fld1
    ("d9c9", "r"), // fxch %st(1)
    ("d80508000000", "r 1 r 8 r"), // fadds 0x8(%rip)
    ("db0508000000", "r 1 r 8 r"), // fildl 0x8(%rip)
    ("d93d08000000", "r 1 r 8 r"), // fnstcw 0x8(%rip)
    ("0fae1508000000", "r 1 r 8 r"), // ldmxcsr 0x8(%rip)
    ("0faee8", ""), // lfence
    ("0f01d0", ""), // xgetbv
    ("ec", ""), // inb %dx, %al
    ("e403", "3"), // inb $0x3, %al
    ("e603", "3"), // outb %al, $0x3
    ("0f20c0", "r r"), // movq %cr0, %rax
    ("480f02c1", "r r"), // larq %cx, %rax
    ("0fb7c1", "r r"), // movzwl %cx, %eax
    ("0fbec1", "r r"), // movsbl %cl, %eax
    ("4863c1", "r r"), // movslq %ecx, %rax
    ("0f803f230100", "74559 0"), // jo 0x12547
    ("7ff9", "-7 15"), // jg 0x203
    ("e8c7edffff", "-4665"), // callq 0xffffffffffffefd6
    ("66488d3d00000000", "r r 1 r 0 r"), // leaq (%rip), %rdi
    ("64488b4808", "r r 1 r 8 r"), // movq %fs:0x8(%rax), %rcx
    ("4869c145230100", "r r 74565"), // imulq $0x12345, %rcx, %rax
    ("4869050800000045230100", "r r 1 r 8 r 74565"), // imulq $0x12345, 0x8(%rip), %rax
    ("f7f1", "r"), // divl %ecx
    ("48f7e1", "r"), // mulq %rcx
    ("48f7e9", "r"), // imulq %rcx
    ("f73d08000000", "r 1 r 8 r"), // idivl 0x8(%rip)
    ("48f7d8", "r r"), // negq %rax
    ("ff3508000000", "r 1 r 8 r"), // pushq 0x8(%rip)
    ("832508000000ff", "r 1 r 8 r -1"), // andl $-0x1, 0x8(%rip)
    ("48813d0800000045230100", "r 1 r 8 r 74565"), // cmpq $0x12345, 0x8(%rip)
    ("66833d08000000ff", "r 1 r 8 r -1"), // cmpw $-0x1, 0x8(%rip)
    ("83050800000001", "r 1 r 8 r 1"), // addl $0x1, 0x8(%rip)
    ("66440f6f0508000000", "r r 1 r 8 r"), // movdqa 0x8(%rip), %xmm8
    ("0f12c1", "r r r"), // movhlps %xmm1, %xmm0
    ("660f38140d08000000", "r r r 1 r 8 r"), // blendvps %xmm0, 0x8(%rip), %xmm1
    ("660f38dc0d08000000", "r r r 1 r 8 r"), // aesenc 0x8(%rip), %xmm1
    ("660f38170d08000000", "r r 1 r 8 r"), // ptest 0x8(%rip), %xmm1
    ("cd80", "128"), // int $0x80
    ("cdff", "255"), // int $0xff
    ("e480", "128"), // inb $0x80, %al
    ("e6ff", "255"), // outb %al, $0xff
    ("660f704008ff", "r r 1 r 8 r 255"), // pshufd $0xff, 0x8(%rax), %xmm0
    ("48c1e0ff", "r r 255"), // shlq $0xff, %rax
    ("660f3a0bc1ff", "r r r 255"), // roundsd $0xff, %xmm1, %xmm0
    ("800880", "r 1 r 0 r -128"), // orb $-0x80, (%rax)
    ("480fbae0ff", "r 255"), // btq $0xff, %rax
    ("6bc8ff", "r r -1"), // imull $-0x1, %eax, %ecx
    ("666bc8ff", "r r -1"), // imulw $-0x1, %ax, %cx
    ("66680080", "32768"), // pushw $0x8000
    ("480fa4c3ff", "r r r 255"), // shldq $0xff, %rax, %rbx
    ("0f1008", "r r 1 r 0 r"), // movups (%rax), %xmm1
    ("6681e10080", "r r 32768"), // andw $0x8000, %cx
    ("80f180", "r r -128"), // xorb $-0x80, %cl
    ("c4e3fd004008ff", "r r 1 r 8 r 255"), // vpermq $0xff, 0x8(%rax), %ymm0
    ("c8ffffff", "-1 -1"), // enter $-0x1, $-0x1
    ("660fc5c1ff", "r r 255"), // pextrw $0xff, %xmm1, %eax
    ("660f73d0ff", "r r 255"), // psrlq $0xff, %xmm0
];

#[rustfmt::skip]
const AARCH64: &[(&str, &str)] = &[
    ("02000014", "2"), // b 0x8
    ("feffff17", "-2"), // b 0xfffffffffffffffc
    ("00040094", "1024"), // bl 0x1008
    ("40000054", "0 2"), // b.eq 0x14
    ("4e000054", "14 2"), // b.al 0x18
    ("400000b4", "r 2"), // cbz x0, 0x1c
    ("c0ffff35", "r -2"), // cbnz w0, 0x10
    ("400018b6", "r 35 2"), // tbz x0, #0x23, 0x24
    ("c0ff1f37", "r 3 -2"), // tbnz w0, #0x3, 0x18
    ("20000030", "r 5"), // adr x0, 0x29
    ("c0ffff70", "r -5"), // adr x0, 0x23
    ("000000f0", "r 3"), // adrp x0, 0x3000
    ("e0ffffb0", "r -3"), // adrp x0, 0xffffffffffffd000
    ("208c0491", "r r 291 0"), // add x0, x1, #0x123
    ("208c4491", "r r 291 12"), // add x0, x1, #0x123, lsl #12
    ("208c0411", "r r 291 0"), // add w0, w1, #0x123
    ("200400b1", "r r 1 0"), // adds x0, x1, #0x1
    ("ff4300d1", "r r 16 0"), // sub sp, sp, #0x10
    ("200400f1", "r r 1 0"), // subs x0, x1, #0x1
    ("1f1400f1", "r r 5 0"), // cmp x0, #0x5
    ("1f00016b", "r r r 0"), // cmp w0, w1
    ("fd030091", "r r 0 0"), // mov x29, sp
    ("200c028b", "r r r 3"), // add x0, x1, x2, lsl #3
    ("2048228b", "r r r 18"), // add x0, x1, w2, uxtw #2
    ("e063228b", "r r r 24"), // add x0, sp, x2
    ("2014824b", "r r r 133"), // sub w0, w1, w2, asr #5
    ("201c4092", "r r 4103"), // and x0, x1, #0xff
    ("201c0012", "r r 7"), // and w0, w1, #0xff
    ("200cc2aa", "r r r 195"), // orr x0, x1, x2, ror #3
    ("e00302aa", "r r r 0"), // mov x0, x2
    ("200040d2", "r r 4096"), // eor x0, x1, #0x1
    ("200040f2", "r r 4096"), // ands x0, x1, #0x1
    ("1f000072", "r r 0"), // tst w0, #0x1
    ("2000228a", "r r r 0"), // bic x0, x1, x2
    ("e00321aa", "r r r 0"), // mvn x0, x1
    ("804682d2", "r 4660 0"), // mov x0, #0x1234
    ("8046e2d2", "r 4660 48"), // mov x0, #0x1234000000000000
    ("8046a252", "r 4660 16"), // mov w0, #0x12340000
    ("a000c092", "r 5 32"), // mov x0, #-0x500000001
    ("8046a2f2", "r r 4660 16"), // movk x0, #0x1234, lsl #16
    ("80468272", "r r 4660 0"), // movk w0, #0x1234
    ("20f07dd3", "r r 61 60"), // lsl x0, x1, #3
    ("207c0353", "r r 3 31"), // lsr w0, w1, #3
    ("20fc4393", "r r 3 63"), // asr x0, x1, #3
    ("207c4093", "r r 0 31"), // sxtw x0, w1
    ("201c0053", "r r 0 7"), // uxtb w0, w1
    ("200c7db3", "r r r 61 3"), // bfi x0, x1, #3, #4
    ("201843d3", "r r 3 6"), // ubfx x0, x1, #3, #4
    ("201cc293", "r r r 7"), // extr x0, x1, x2, #0x7
    ("2020c29a", "r r r"), // lsl x0, x1, x2
    ("200440f9", "r r 1"), // ldr x0, [x1, #0x8]
    ("200840b9", "r r 2"), // ldr w0, [x1, #0x8]
    ("20104079", "r r 4"), // ldrh w0, [x1, #0x8]
    ("20204039", "r r 8"), // ldrb w0, [x1, #0x8]
    ("200880b9", "r r 2"), // ldrsw x0, [x1, #0x8]
    ("20208039", "r r 8"), // ldrsb x0, [x1, #0x8]
    ("2008c03d", "r r 2"), // ldr q0, [x1, #0x20]
    ("201040fd", "r r 4"), // ldr d0, [x1, #0x20]
    ("202040bd", "r r 8"), // ldr s0, [x1, #0x20]
    ("2040407d", "r r 16"), // ldr h0, [x1, #0x20]
    ("2080403d", "r r 32"), // ldr b0, [x1, #0x20]
    ("200400f9", "r r 1"), // str x0, [x1, #0x8]
    ("2008803d", "r r 2"), // str q0, [x1, #0x20]
    ("20200039", "r r 8"), // strb w0, [x1, #0x8]
    ("200480f9", "0 r 1"), // prfm pldl1keep, [x1, #0x8]
    ("20805ff8", "r r -8"), // ldur x0, [x1, #-0x8]
    ("20801fb8", "r r -8"), // stur w0, [x1, #-0x8]
    ("2080df3c", "r r -8"), // ldur q0, [x1, #-0x8]
    ("208c5ff8", "r r r -8"), // ldr x0, [x1, #-0x8]!
    ("208440f8", "r r r 8"), // ldr x0, [x1], #0x8
    ("208c1ff8", "r r r -8"), // str x0, [x1, #-0x8]!
    ("2004813c", "r r r 16"), // str q0, [x1], #0x10
    ("20144038", "r r r 1"), // ldrb w0, [x1], #0x1
    ("e00741a9", "r r r 2"), // ldp x0, x1, [sp, #0x10]
    ("fd7bbfa9", "r r r r -2"), // stp x29, x30, [sp, #-0x10]!
    ("fd7bc1a8", "r r r r 2"), // ldp x29, x30, [sp], #0x10
    ("e0074129", "r r r 2"), // ldp w0, w1, [sp, #0x8]
    ("e0073fad", "r r r -2"), // stp q0, q1, [sp, #-0x20]
    ("e0074169", "r r r 2"), // ldpsw x0, x1, [sp, #0x8]
    ("e827be6d", "r r r r -4"), // stp d8, d9, [sp, #-0x20]!
    ("0004c12c", "r r r r 2"), // ldp s0, s1, [x0], #0x8
    ("40000058", "r 2"), // ldr x0, 0x14c
    ("c0ffff18", "r -2"), // ldr w0, 0x140
    ("8000009c", "r 4"), // ldr q0, 0x15c
    ("40000098", "r 2"), // ldrsw x0, 0x158
    ("400000d8", "0 2"), // prfm pldl1keep, 0x15c
    ("206862f8", "r r r 0 0"), // ldr x0, [x1, x2]
    ("207862f8", "r r r 0 1"), // ldr x0, [x1, x2, lsl #3]
    ("20d862f8", "r r r 1 1"), // ldr x0, [x1, w2, sxtw #3]
    ("204822b8", "r r r 0 0"), // str w0, [x1, w2, uxtw]
    ("2078e23c", "r r r 0 1"), // ldr q0, [x1, x2, lsl #4]
    ("20686238", "r r r 0 0"), // ldrb w0, [x1, x2]
    ("011000d4", "128"), // svc #0x80
    ("200020d4", "1"), // brk #0x1
    ("200040d4", "1"), // hlt #0x1
    ("05000000", "5"), // udf #0x5
    ("1f2003d5", ""), // nop
    ("5f2403d5", "34"), // bti c
    ("3f2303d5", ""), // paciasp
    ("9f2203d5", "20"), // csdb
    ("df3f03d5", "15"), // isb
    ("bf3b03d5", "11"), // dmb ish
    ("c0035fd6", "r"), // ret
    ("00021fd6", "r"), // br x16
    ("00013fd6", "r"), // blr x8
    ("01081fd7", "r r"), // braa x0, x1
    ("ff0b5fd6", ""), // retaa
    ("2010829a", "r r r 1"), // csel x0, x1, x2, ne
    ("e0179f9a", "r r r 1"), // cset x0, eq
    ("20b4821a", "r r r 11"), // csinc w0, w1, w2, lt
    ("20a482da", "r r r 10"), // csneg x0, x1, x2, ge
    ("041843fa", "r 3 4 1"), // ccmp x0, #0x3, #0x4, ne
    ("041041fa", "r r 4 1"), // ccmp x0, x1, #0x4, ne
    ("200c029b", "r r r r"), // madd x0, x1, x2, x3
    ("207c029b", "r r r r"), // mul x0, x1, x2
    ("208c021b", "r r r r"), // msub w0, w1, w2, w3
    ("207cc29b", "r r r"), // umulh x0, x1, x2
    ("207c229b", "r r r r"), // smull x0, w1, w2
    ("2008c29a", "r r r"), // udiv x0, x1, x2
    ("2010c0da", "r r"), // clz x0, x1
    ("200cc0da", "r r"), // rev x0, x1
    ("2000029a", "r r r"), // adc x0, x1, x2
    ("40d03bd5", "r 56962"), // mrs x0, TPIDR_EL0
    ("40d01bd5", "56962 r"), // msr TPIDR_EL0, x0
    ("207c5fc8", "r r"), // ldxr x0, [x1]
    ("417c00c8", "r r r"), // stxr w0, x1, [x2]
    ("20fc5f88", "r r"), // ldaxr w0, [x1]
    ("20fc9fc8", "r r"), // stlr x0, [x1]
    ("20fcdfc8", "r r"), // ldar x0, [x1]
    ("410020f8", "r r r"), // ldadd x0, x1, [x2]
    ("417ca0c8", "r r r r"), // cas x0, x1, [x2]
    ("4180e0f8", "r r r"), // swpal x0, x1, [x2]
    ("0000679e", "r r"), // fmov d0, x0
    ("0000669e", "r r"), // fmov x0, d0
    ("00106e1e", "r 112"), // fmov d0, #1.00000000
    ("2028621e", "r r r"), // fadd d0, d1, d2
    ("200c421f", "r r r r"), // fmadd d0, d1, d2, d3
    ("0020611e", "r r"), // fcmp d0, d1
    ("0820601e", "r"), // fcmp d0, #0.0
    ("0000789e", "r r"), // fcvtzs x0, d0
    ("0000629e", "r r"), // scvtf d0, x0
    ("201c621e", "r r r 1"), // fcsel d0, d1, d2, ne
    ("208840f8", "r r 8"), // ldtr x0, [x1, #0x8]
];

#[rustfmt::skip]
const RISCV64: &[(&str, &str)] = &[
    ("37553412", "r 74565"), // lui a0, 0x12345
    ("37f5ffff", "r 1048575"), // lui a0, 0xfffff
    ("17553412", "r 74565"), // auipc a0, 0x12345
    ("ef001000", "r 2048"), // jal 0x80c
    ("6ff01f80", "r -2048"), // j 0xfffffffffffff810
    ("e700c5ff", "r r -4"), // jalr -0x4(a0)
    ("e7000500", "r r 0"), // jalr a0
    ("67800000", "r r 0"), // ret
    ("6308b500", "r r 16"), // beq a0, a1, 0x30
    ("e318b5fe", "r r -16"), // bne a0, a1, 0x14
    ("6348b500", "r r 16"), // blt a0, a1, 0x38
    ("6372b500", "r r 4"), // bgeu a0, a1, 0x30
    ("0385f5ff", "r r -1"), // lb a0, -0x1(a1)
    ("03952500", "r r 2"), // lh a0, 0x2(a1)
    ("03a54500", "r r 4"), // lw a0, 0x4(a1)
    ("03c54500", "r r 4"), // lbu a0, 0x4(a1)
    ("a38fa5fe", "r r -1"), // sb a0, -0x1(a1)
    ("2391a500", "r r 2"), // sh a0, 0x2(a1)
    ("23a2a500", "r r 4"), // sw a0, 0x4(a1)
    ("1385f5ff", "r r -1"), // addi a0, a1, -0x1
    ("13a5f5ff", "r r -1"), // slti a0, a1, -0x1
    ("13b51500", "r r 1"), // seqz a0, a1
    ("13c5f5ff", "r r -1"), // not a0, a1
    ("13e51500", "r r 1"), // ori a0, a1, 0x1
    ("13f51500", "r r 1"), // andi a0, a1, 0x1
    ("13955500", "r r 5"), // slli a0, a1, 0x5
    ("13d55500", "r r 5"), // srli a0, a1, 0x5
    ("13d55540", "r r 5"), // srai a0, a1, 0x5
    ("3385c500", "r r r"), // add a0, a1, a2
    ("3385c540", "r r r"), // sub a0, a1, a2
    ("3385c502", "r r r"), // mul a0, a1, a2
    ("33c5c502", "r r r"), // div a0, a1, a2
    ("0f00f00f", "15 15"), // fence
    ("0f001003", "3 1"), // fence rw, w
    ("0f100000", ""), // fence.i
    ("73000000", ""), // ecall
    ("73001000", ""), // ebreak
    ("73953500", "r 3 r"), // fscsr a0, a1
    ("73a50530", "r 768 r"), // csrrs a0, mstatus, a1
    ("73d50230", "r 768 5"), // csrrwi a0, mstatus, 0x5
    ("2fa50510", "r r"), // lr.w a0, (a1)
    ("2fa5c518", "r r r"), // sc.w a0, a2, (a1)
    ("2fa5c500", "r r r"), // amoadd.w a0, a2, (a1)
    ("2fa5c50e", "r r r"), // amoswap.w.aqrl a0, a2, (a1)
    ("07a54500", "r r 4"), // flw fa0, 0x4(a1)
    ("27a2a500", "r r 4"), // fsw fa0, 0x4(a1)
    ("07b58500", "r r 8"), // fld fa0, 0x8(a1)
    ("27bca5fe", "r r -8"), // fsd fa0, -0x8(a1)
    ("53f5c500", "r r r 7"), // fadd.s fa0, fa1, fa2
    ("53f5c502", "r r r 7"), // fadd.d fa0, fa1, fa2
    ("43f5c56a", "r r r r 7"), // fmadd.d fa0, fa1, fa2, fa3
    ("5385c522", "r r r"), // fsgnj.d fa0, fa1, fa2
    ("53a5c5a2", "r r r"), // feq.d a0, fa1, fa2
    ("53f505c2", "r r 7"), // fcvt.w.d a0, fa1
    ("538505d2", "r r 0"), // fcvt.d.w fa0, a1
    ("538505e0", "r r"), // fmv.x.w a0, fa1
    ("53f5055a", "r r 7"), // fsqrt.d fa0, fa1
    ("539505e2", "r r"), // fclass.d a0, fa1
    ("5385c528", "r r r"), // fmin.s fa0, fa1, fa2
    ("03e54500", "r r 4"), // lwu a0, 0x4(a1)
    ("03b585ff", "r r -8"), // ld a0, -0x8(a1)
    ("23b4a500", "r r 8"), // sd a0, 0x8(a1)
    ("1b85f5ff", "r r -1"), // addiw a0, a1, -0x1
    ("1b955500", "r r 5"), // slliw a0, a1, 0x5
    ("1bd55540", "r r 5"), // sraiw a0, a1, 0x5
    ("1395d502", "r r 45"), // slli a0, a1, 0x2d
    ("13d5d542", "r r 45"), // srai a0, a1, 0x2d
    ("3b85c500", "r r r"), // addw a0, a1, a2
    ("3b85c502", "r r r"), // mulw a0, a1, a2
    ("2fb50510", "r r"), // lr.d a0, (a1)
    ("2fb5c500", "r r r"), // amoadd.d a0, a2, (a1)
    ("53f525c2", "r r 7"), // fcvt.l.d a0, fa1
    ("53f525d2", "r r 7"), // fcvt.d.l fa0, a1
    ("538505e2", "r r"), // fmv.x.d a0, fa1
    ("538505f2", "r r"), // fmv.d.x fa0, a1
    ("0808", "r r 16"), // addi a0, sp, 0x10
    ("c841", "r r 4"), // lw a0, 0x4(a1)
    ("c8c1", "r r 4"), // sw a0, 0x4(a1)
    ("0100", ""), // nop
    ("7d15", "r r -1"), // addi a0, a0, -0x1
    ("6d55", "r -5"), // li a0, -0x5
    ("3971", "r r -64"), // addi sp, sp, -0x40
    ("0d65", "r 3"), // lui a0, 0x3
    ("7d75", "r 1048575"), // lui a0, 0xfffff
    ("0d81", "r r 3"), // srli a0, a0, 0x3
    ("0d85", "r r 3"), // srai a0, a0, 0x3
    ("7599", "r r -3"), // andi a0, a0, -0x3
    ("0d8d", "r r r"), // sub a0, a0, a1
    ("2d8d", "r r r"), // xor a0, a0, a1
    ("4d8d", "r r r"), // or a0, a0, a1
    ("6d8d", "r r r"), // and a0, a0, a1
    ("95a0", "100"), // j 0x84
    ("71bf", "-100"), // j 0xffffffffffffffbe
    ("01c9", "r 16"), // beqz a0, 0x34
    ("65f9", "r -16"), // bnez a0, 0x16
    ("0e05", "r r 3"), // slli a0, a0, 0x3
    ("2245", "r r 8"), // lw a0, 0x8(sp)
    ("2ac4", "r r 8"), // sw a0, 0x8(sp)
    ("0285", "r"), // jr a0
    ("0295", "r"), // jalr a0
    ("2e85", "r r"), // mv a0, a1
    ("2e95", "r r r"), // add a0, a0, a1
    ("0290", ""), // ebreak
    ("8825", "r r 8"), // fld fa0, 0x8(a1)
    ("88a5", "r r 8"), // fsd fa0, 0x8(a1)
    ("2225", "r r 8"), // fld fa0, 0x8(sp)
    ("2aa4", "r r 8"), // fsd fa0, 0x8(sp)
    ("0000", ""), // unimp
    ("8865", "r r 8"), // ld a0, 0x8(a1)
    ("88e5", "r r 8"), // sd a0, 0x8(a1)
    ("7d35", "r r -1"), // addiw a0, a0, -0x1
    ("0d9d", "r r r"), // subw a0, a0, a1
    ("2d9d", "r r r"), // addw a0, a0, a1
    ("0615", "r r 33"), // slli a0, a0, 0x21
    ("0591", "r r 33"), // srli a0, a0, 0x21
    ("2265", "r r 8"), // ld a0, 0x8(sp)
    ("2ae4", "r r 8"), // sd a0, 0x8(sp)
];

#[rustfmt::skip]
const RISCV32: &[(&str, &str)] = &[
    ("0808", "r r 16"), // addi a0, sp, 0x10
    ("c841", "r r 4"), // lw a0, 0x4(a1)
    ("c8c1", "r r 4"), // sw a0, 0x4(a1)
    ("0100", ""), // nop
    ("7d15", "r r -1"), // addi a0, a0, -0x1
    ("6d55", "r -5"), // li a0, -0x5
    ("3971", "r r -64"), // addi sp, sp, -0x40
    ("0d65", "r 3"), // lui a0, 0x3
    ("7d75", "r 1048575"), // lui a0, 0xfffff
    ("0d81", "r r 3"), // srli a0, a0, 0x3
    ("0d85", "r r 3"), // srai a0, a0, 0x3
    ("7599", "r r -3"), // andi a0, a0, -0x3
    ("0d8d", "r r r"), // sub a0, a0, a1
    ("2d8d", "r r r"), // xor a0, a0, a1
    ("4d8d", "r r r"), // or a0, a0, a1
    ("6d8d", "r r r"), // and a0, a0, a1
    ("95a0", "100"), // j 0x84
    ("71bf", "-100"), // j 0xffffffbe
    ("01c9", "r 16"), // beqz a0, 0x34
    ("65f9", "r -16"), // bnez a0, 0x16
    ("0e05", "r r 3"), // slli a0, a0, 0x3
    ("2245", "r r 8"), // lw a0, 0x8(sp)
    ("2ac4", "r r 8"), // sw a0, 0x8(sp)
    ("0285", "r"), // jr a0
    ("0295", "r"), // jalr a0
    ("2e85", "r r"), // mv a0, a1
    ("2e95", "r r r"), // add a0, a0, a1
    ("0290", ""), // ebreak
    ("8825", "r r 8"), // fld fa0, 0x8(a1)
    ("88a5", "r r 8"), // fsd fa0, 0x8(a1)
    ("2225", "r r 8"), // fld fa0, 0x8(sp)
    ("2aa4", "r r 8"), // fsd fa0, 0x8(sp)
    ("0000", ""), // unimp
    ("8120", "64"), // jal 0x82
    ("c861", "r r 4"), // flw fa0, 0x4(a1)
    ("c8e1", "r r 4"), // fsw fa0, 0x4(a1)
    ("1265", "r r 4"), // flw fa0, 0x4(sp)
    ("2ae2", "r r 4"), // fsw fa0, 0x4(sp)
];
