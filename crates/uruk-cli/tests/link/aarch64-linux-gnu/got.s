# Loads from the GOT become additions where the target is in reach, all of a symbol's or none.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 1) = (near >> 12) - (main >> 12)
# jitlink-check: (*{4}(main + 4)) = 0x91000000 | (near[11:0] << 10)
        adrp    x0, :got:near
        ldr     x0, [x0, :got_lo12:near]
        .size main, .-main
load_far:
# jitlink-check: decode_operand(load_far, 1) = (got_addr(got.o, far) >> 12) - (load_far >> 12)
# jitlink-check: decode_operand(load_far + 4, 2) = got_addr(got.o, far)[11:3]
# jitlink-check: *{8}got_addr(got.o, far) = far
        adrp    x0, :got:far
        ldr     x1, [x0, :got_lo12:far]
        .size load_far, .-load_far
# One load that cannot do without keeps the slot, and the others use it.
literal:
# jitlink-check: decode_operand(literal, 1) = got_addr(got.o, kept) - literal >> 2
# jitlink-check: *{8}got_addr(got.o, kept) = kept
        ldr     x0, :got:kept
        .size literal, .-literal
beside:
# jitlink-check: decode_operand(beside + 4, 2) = got_addr(got.o, kept)[11:3]
        adrp    x0, :got:kept
        ldr     x0, [x0, :got_lo12:kept]
        .size beside, .-beside
        .data
        .globl kept
kept:   .xword  0
