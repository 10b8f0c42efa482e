# Calls near and far, pages and offsets in them, tables, data.
# flags: -abs far=0x7fff00000000
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 0) = (stub_addr(basics.o, far) - main)[27:2]
# jitlink-check: *{8}got_addr(basics.o, far) = far
        bl      far
        .size main, .-main
near:
# jitlink-check: decode_operand(near, 0)[25:0] = (main - near)[27:2]
        b       main
        .size near, .-near
condition:
# jitlink-check: decode_operand(condition, 1)[18:0] = (main - condition)[20:2]
        cbz     x0, main
        .size condition, .-condition
page:
# jitlink-check: decode_operand(page, 1) = (value >> 12) - (page >> 12)
        adrp    x0, value
        .size page, .-page
sum:
# jitlink-check: decode_operand(sum, 2) = (value + 8)[11:0]
        add     x0, x0, :lo12:value+8
        .size sum, .-sum
load:
# jitlink-check: decode_operand(load, 2) = value[11:3]
        ldr     x1, [x0, :lo12:value]
        .size load, .-load
got_page:
# jitlink-check: decode_operand(got_page, 1) = (got_addr(basics.o, far) >> 12) - (got_page >> 12)
        adrp    x0, :got:far
        .size got_page, .-got_page
got_load:
# jitlink-check: decode_operand(got_load, 2) = got_addr(basics.o, far)[11:3]
        ldr     x0, [x0, :got_lo12:far]
        .size got_load, .-got_load
group:
# jitlink-check: decode_operand(group, 1) = far[47:32]
# jitlink-check: decode_operand(group + 4, 2) = far[31:16]
# jitlink-check: next_pc(group) = group + 4
        movz    x0, #:abs_g2:far
        movk    x0, #:abs_g1_nc:far
        .size group, .-group
        .data
        .balign 8
value:
# jitlink-check: *{8}value = main + 4
# jitlink-check: section_addr(basics.o, .data) = value
        .xword  main + 4
        .xword  0
        .size value, 16
