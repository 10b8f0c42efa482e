# flags: -abs _ext=0x100080000 -abs _far=0x200000000000
        .text
        .globl  _main
# jitlink-check: decode_operand(_main, 0) = _ext - next_pc(_main)
_main:
        callq   _ext
# In reach an address is computed instead of loaded.
# jitlink-check: decode_operand(_near, 4) = _ext - next_pc(_near)
        .globl  _near
_near:
        movq    _ext@GOTPCREL(%rip), %rax
# Out of reach it is loaded from a slot.
# jitlink-check: decode_operand(_slot, 4) + next_pc(_slot) = got_addr(references.o, _far)
# jitlink-check: *{8}got_addr(references.o, _far) = _far
        .globl  _slot
_slot:
        movq    _far@GOTPCREL(%rip), %rax
# jitlink-check: decode_operand(_store, 3) = _second + 4 - next_pc(_store)
        .globl  _store
_store:
        movl    $7, _second+4(%rip)
        retq

        .data
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
        .subsections_via_symbols
