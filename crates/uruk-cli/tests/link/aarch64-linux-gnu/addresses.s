# Addresses in pages and offsets, of every size of access.
# flags: -abs number=0x123456789abcdef0
        .text
        .globl main
main:   ret
        .size main, .-main
page:
# jitlink-check: decode_operand(page, 1) = (value >> 12) - (page >> 12)
        adrp    x0, value
        .size page, .-page
add:
# jitlink-check: decode_operand(add, 2) = value[11:0]
        add     x0, x0, :lo12:value
        .size add, .-add
byte:
# jitlink-check: decode_operand(byte, 2) = (value + 1)[11:0]
        ldrb    w1, [x0, :lo12:value+1]
        .size byte, .-byte
half:
# jitlink-check: decode_operand(half, 2) = value[11:1]
        ldrh    w1, [x0, :lo12:value]
        .size half, .-half
word:
# jitlink-check: decode_operand(word, 2) = value[11:2]
        str     w1, [x0, :lo12:value]
        .size word, .-word
double:
# jitlink-check: decode_operand(double, 2) = value[11:3]
        ldr     x1, [x0, :lo12:value]
        .size double, .-double
quad:
# jitlink-check: decode_operand(quad, 2) = value[11:4]
        ldr     q1, [x0, :lo12:value]
        .size quad, .-quad
near:
# jitlink-check: decode_operand(near, 1) = value - near
        adr     x0, value
        .size near, .-near
literal:
# jitlink-check: decode_operand(literal, 1) = value - literal >> 2
        ldr     x0, value
        .size literal, .-literal
moved:
# jitlink-check: decode_operand(moved, 1) = number[63:48]
# jitlink-check: decode_operand(moved + 4, 2) = number[47:32]
# jitlink-check: decode_operand(moved + 8, 2) = number[31:16]
# jitlink-check: decode_operand(moved + 12, 2) = number[15:0]
        movz    x0, #:abs_g3:number
        movk    x0, #:abs_g2_nc:number
        movk    x0, #:abs_g1_nc:number
        movk    x0, #:abs_g0_nc:number
        .size moved, .-moved

        .data
        .balign 4096
        .zero   0x7f0
        .globl value
value:  .zero   16
        .size value, 16
data:
# jitlink-check: *{8}data = number
# jitlink-check: *{8}(data + 8) = main - data - 8
# jitlink-check: *{4}(data + 16) = (main - data - 16)[31:0]
        .xword  number
        .xword  main - .
        .word   main - .
        .size data, .-data
