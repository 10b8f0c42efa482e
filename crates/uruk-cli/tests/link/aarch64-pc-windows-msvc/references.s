# Calls near and far, pages and offsets in them, offsets in the image.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl  main
main:
# jitlink-check: decode_operand(main, 0) = (near - main >> 2)[25:0]
        bl      near
        .globl  to_far
to_far:
# jitlink-check: decode_operand(to_far, 0) = stub_addr(references.o, far) - to_far >> 2
# jitlink-check: *{8}got_addr(references.o, far) = far
        bl      far
        .globl  page
page:
# jitlink-check: decode_operand(page, 1) = (value + 8 >> 12) - (page >> 12)
# jitlink-check: decode_operand(page + 4, 2) = (value + 8)[11:0]
# jitlink-check: decode_operand(page + 8, 2) = (value + 8)[11:3]
        adrp    x0, value + 8
        add     x1, x0, :lo12:value + 8
        ldr     x0, [x0, :lo12:value + 8]
        ret

        .data
        .p2align 3
        .globl  value
value:
# jitlink-check: *{8}value = far + 1
        .xword  far + 1
        .xword  0
        .globl  offsets
offsets:
# Offsets in the image differ as addresses do.
# jitlink-check: (*{4}(offsets + 4)) - (*{4}offsets) = value + 4 - main
        .word   main@IMGREL
        .word   value@IMGREL + 4
