# Calls near and far, addresses, distances, pointers to what is imported, offsets in the image.
# flags: -abs far=0x7fff00000000 -abs near=0x100100000
        .text
        .globl  main
main:
# jitlink-check: decode_operand(main, 0) = near - next_pc(main)
        callq   near
        .globl  to_far
to_far:
# jitlink-check: decode_operand(to_far, 0) = stub_addr(references.o, far) - next_pc(to_far)
# jitlink-check: *{8}got_addr(references.o, far) = far
        callq   far
        .globl  store
store:
# jitlink-check: decode_operand(store, 3) = value + 8 - next_pc(store)
        movl    $7, value+8(%rip)
        retq

        .data
        .p2align 3
        .globl  value
value:
# jitlink-check: *{8}value = far + 1
        .quad   far + 1
        .quad   0
        .globl  offsets
offsets:
# Offsets in the image differ as addresses do.
# jitlink-check: (*{4}(offsets + 4)) - (*{4}offsets) = value + 4 - main
        .long   main@IMGREL
        .long   value@IMGREL + 4
