# Fields in data, sections, zero-fill, and what is not in memory.
# flags: -abs number=0x1234567812345678
        .text
        .globl main
main:   retq
        .size main, .-main

        .data
first:
# jitlink-check: section_addr(data.o, .data) = first
# jitlink-check: *{8}first = number
        .quad   number
        .size first, 8
difference:
# jitlink-check: *{8}difference = main - difference
        .quad   main - .
        .size difference, 8
short_difference:
# jitlink-check: *{4}short_difference = (first - short_difference + 4)[31:0]
        .long   first - . + 4
        .size short_difference, 4
size:
# jitlink-check: *{4}size = 24
        .long   zero@SIZE
        .size size, 4

        .section .rodata,"a",@progbits
constant:
# jitlink-check: section_addr(data.o, .rodata) = constant
# jitlink-check: *{4}constant = 0x11223344
        .long   0x11223344
        .size constant, 4

        .bss
        .balign 64
        .globl zero
zero:   .zero   24
# jitlink-check: zero[5:0] = 0
# jitlink-check: *{8}zero = 0
# jitlink-check: *{8}zero + 16 = 0
        .size zero, 24

# Segments of different protection share no page.
# jitlink-check: (main >> 12) - (constant >> 12) & 0x8000000000000000 = 0x8000000000000000
# jitlink-check: (constant >> 12) - (first >> 12) & 0x8000000000000000 = 0x8000000000000000
