# Calls and jumps: to what is near, through stubs to what is far.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 0) = local - next_pc(main)
        callq   local
        .size main, .-main

jump:
# jitlink-check: decode_operand(jump, 0) = main - next_pc(jump)
        jmp     main@PLT
        .size jump, .-jump

condition:
# jitlink-check: decode_operand(condition, 0) = near - next_pc(condition)
# jitlink-check: decode_operand(condition, 1) = 5
        jne     near
        .size condition, .-condition

to_far:
# jitlink-check: decode_operand(to_far, 0) = stub_addr(calls.o, far) - next_pc(to_far)
# jitlink-check: *{8}got_addr(calls.o, far) = far
        callq   far@PLT
        .size to_far, .-to_far

to_near:
# jitlink-check: decode_operand(to_near, 0) = near - next_pc(to_near)
        callq   near@PLT
        .size to_near, .-to_near

local:
        retq
        .size local, .-local

# The stub is `jmp *slot(%rip)`.
# jitlink-check: (*{4}(stub_addr(calls.o, far) + 2)) = \
# jitlink-check:   (got_addr(calls.o, far) - (stub_addr(calls.o, far) + 6))[31:0]
