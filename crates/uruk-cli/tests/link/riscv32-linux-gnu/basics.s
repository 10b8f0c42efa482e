# 32 bits: pairs of an upper and a lower part, branches, jumps, data.
# slab: 0x10000000
        .option norelax
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 1) = (value - main + 0x800)[31:12]
# jitlink-check: next_pc(main) = main + 4
        auipc   a0, %pcrel_hi(value)
        .size main, 4
low:
# jitlink-check: decode_operand(low, 2)[11:0] = (value - main)[11:0]
        addi    a0, a0, %pcrel_lo(main)
        .size low, .-low
jump:
# jitlink-check: decode_operand(jump, 1) = main - jump
        j       main
        .size jump, .-jump
branch:
# The assembler makes a branch around a jump of it, which reaches further.
# jitlink-check: decode_operand(branch, 2) = 8
# jitlink-check: decode_operand(branch + 4, 1) = main - (branch + 4)
        bne     a0, a1, main
        .size branch, .-branch
        .data
        .balign 8
value:
# jitlink-check: *{4}value = main
        .word   main, 0
        .size value, 8
difference:
# jitlink-check: *{4}difference = (branch - main)[31:0]
        .word   branch - main
        .size difference, 4
