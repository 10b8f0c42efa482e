# flags: -abs _ext=0x100080000 -abs _far=0x200000000000
        .text
        .globl  _main
# jitlink-check: *{4}_main = 0x94000000 | (_ext - _main)[27:2]
_main:
        bl      _ext
# jitlink-check: *{4}(_low + 4) = 0xf9400000 | ((_second + 8)[11:3] << 10)
        .globl  _low
_low:
        adrp    x0, _second@PAGE + 8
        ldr     x0, [x0, _second@PAGEOFF + 8]
# Out of reach an address is loaded from a slot, in reach it is computed.
# jitlink-check: *{8}got_addr(references.o, _far) = _far
# jitlink-check: *{4}(_slot + 4) = 0xf9400000 | (got_addr(references.o, _far)[11:3] << 10)
        .globl  _slot
_slot:
        adrp    x0, _far@GOTPAGE
        ldr     x0, [x0, _far@GOTPAGEOFF]
# jitlink-check: *{4}(_near + 4) = 0x91000000 | (_ext[11:0] << 10)
        .globl  _near
_near:
        adrp    x0, _ext@GOTPAGE
        ldr     x0, [x0, _ext@GOTPAGEOFF]
        ret

        .data
        .p2align 3
        .globl  _first
# jitlink-check: *{8}_first = _main + 3
# jitlink-check: *{8}(_first + 8) = _second - _first - 1
_first:
        .quad   _main + 3
        .quad   _second - _first - 1
        .globl  _second
# jitlink-check: *{4}_second = (_first - _second - 2)[31:0]
_second:
        .long   _first - . - 2
        .long   0
        .quad   5
        .subsections_via_symbols
