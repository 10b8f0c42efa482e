# Loads from the GOT: rewritten where the target is in reach, and the table entry is there all the same.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 4) = value - next_pc(main)
# jitlink-check: (*{2}(main + 1))[7:0] = 0x8d
# jitlink-check: *{8}got_addr(got.o, value) = value
        movq    value@GOTPCREL(%rip), %rax
        .size main, .-main

load_far:
# jitlink-check: decode_operand(load_far, 4) = got_addr(got.o, far) - next_pc(load_far)
# jitlink-check: *{8}got_addr(got.o, far) = far
        movq    far@GOTPCREL(%rip), %rax
        .size load_far, .-load_far

call_near:
# jitlink-check: *{1}call_near = 0x67
# jitlink-check: decode_operand(call_near + 1, 0) = near - (call_near + 6)
        callq   *near@GOTPCREL(%rip)
        .size call_near, .-call_near

call_far:
# jitlink-check: decode_operand(call_far, 3) = got_addr(got.o, far) - next_pc(call_far)
        callq   *far@GOTPCREL(%rip)
        .size call_far, .-call_far

two_address:
# jitlink-check: decode_operand(two_address, 5) = got_addr(got.o, far) - next_pc(two_address)
        addq    far@GOTPCREL(%rip), %rax
        .size two_address, .-two_address

# jitlink-check: section_addr(got.o, $__GOT)[2:0] = 0

        .data
        .globl value
value:
# jitlink-check: *{8}value = main + 2
        .quad   main + 2
        .size value, 8
