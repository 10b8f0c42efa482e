# Weak and common symbols, aliases, sections of functions, what is absolute in the object.
# with: weak.part.s
# flags: -alias second_name=main
        .text
        .globl main
main:   retq
        .size main, .-main
        .weak   chosen
chosen: retq
        .size chosen, .-chosen
        .comm   shared, 16, 32
        .globl  constant
        .set    constant, 0x1234
        .data
pointers:
# jitlink-check: *{8}pointers = strong
        .quad   chosen
# jitlink-check: *{8}pointers + 8 = 0
        .weak   nobody
        .quad   nobody
# jitlink-check: *{8}pointers + 16 = constant
# jitlink-check: constant = 0x1234
        .quad   constant
# jitlink-check: (*{8}pointers + 24)[4:0] = 0
        .quad   shared
        .size pointers, 32
# jitlink-check: *{8}other_pointer = *{8}pointers + 24
