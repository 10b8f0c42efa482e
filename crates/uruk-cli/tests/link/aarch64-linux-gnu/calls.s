# Calls and jumps: to what is in reach, through stubs to what is not.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl main
        .type main, %function
main:
# jitlink-check: decode_operand(main, 0) = (near - main >> 2)[25:0]
        bl      near
        .size main, .-main

back:
# jitlink-check: decode_operand(back, 0) = 0 - 1
        b       main
        .size back, .-back

to_far:
# jitlink-check: decode_operand(to_far, 0) = stub_addr(calls.o, far) - to_far >> 2
# jitlink-check: *{8}got_addr(calls.o, far) = far
        bl      far
        .size to_far, .-to_far

condition:
# jitlink-check: decode_operand(condition, 0) = 1
# jitlink-check: decode_operand(condition, 1) = later - condition >> 2
        b.ne    later
        .size condition, .-condition

zero:
# jitlink-check: decode_operand(zero, 1) = later - zero >> 2
        cbz     x3, later
        .size zero, .-zero

bit:
# jitlink-check: decode_operand(bit, 1) = 33
# jitlink-check: decode_operand(bit, 2) = later - bit >> 2
        tbnz    x3, #33, later
        .size bit, .-bit

        .section .text.later,"ax",%progbits
        .globl later
later:  ret
        .size later, .-later

# The stub is `adrp x16, slot; ldr x16, [x16, #slot]; br x16`.
# jitlink-check: (*{4}stub_addr(calls.o, far)) & 0x9f00001f = 0x90000010
# jitlink-check: (*{4}(stub_addr(calls.o, far) + 4)) = 0xf9400210 | (got_addr(calls.o, far)[11:3] << 10)
# jitlink-check: (*{4}(stub_addr(calls.o, far) + 8)) = 0xd61f0200
