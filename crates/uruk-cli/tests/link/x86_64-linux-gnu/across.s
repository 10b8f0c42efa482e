# Two objects: local names are found whatever their file, files have table entries of their own.
# with: across.part.s
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 0) = other - next_pc(main)
# jitlink-check: *{8}got_addr(across.o, other) = other
        callq   other@PLT
        .size main, .-main
load:
        movq    other@GOTPCREL(%rip), %rax
        .size load, .-load
# jitlink-check: *{8}private = main
# jitlink-check: section_addr(across.part.o, .text) = other
# jitlink-check: *{8}got_addr(across.part.o, main) = main
# jitlink-check: decode_operand(load, 4) = other - next_pc(load)
