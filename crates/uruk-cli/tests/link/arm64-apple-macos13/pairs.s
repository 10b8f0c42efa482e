# Differences of symbols, slots in data, descriptors of thread-local variables.
# flags: -abs _far=0x200000000000
        .text
        .globl  _main
_main:
# jitlink-check: decode_operand(_main, 1) = (_variable >> 12) - (_main >> 12)
# jitlink-check: *{4}(_main + 4) = 0x91000000 | (_variable[11:0] << 10)
        adrp    x0, _variable@TLVPPAGE
        ldr     x0, [x0, _variable@TLVPPAGEOFF]
        ret

        .data
        .p2align 3
        .globl  _first
# jitlink-check: *{8}_first = _main - _first + 5
_first:
        .quad   _main - _first + 5
        .globl  _second
# jitlink-check: *{8}_second = got_addr(pairs.o, _far)
# jitlink-check: *{4}(_second + 8) = (got_addr(pairs.o, _far) - _second - 8)[31:0]
_second:
        .quad   _far@GOT
        .long   _far@GOT - .
        .long   0

        .section __DATA,__thread_vars,thread_local_variables
        .globl  _variable
_variable:
        .quad   __tlv_bootstrap
        .quad   0
        .quad   _variable$tlv$init
        .section __DATA,__thread_data,thread_local_regular
_variable$tlv$init:
        .quad   7
        .subsections_via_symbols
