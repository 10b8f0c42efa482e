# Differences of symbols, slots in data, descriptors of thread-local variables.
# flags: -abs _far=0x200000000000
        .text
        .globl  _main
_main:
# jitlink-check: decode_operand(_main, 4) = _variable - next_pc(_main)
        movq    _variable@TLVP(%rip), %rdi
        retq
        .globl  _pushed
_pushed:
# jitlink-check: decode_operand(_pushed, 3) + next_pc(_pushed) = got_addr(pairs.o, _far)
        pushq   _far@GOTPCREL(%rip)
        retq

        .globl  _immediates
_immediates:
# jitlink-check: decode_operand(_immediates, 3) = _first - next_pc(_immediates)
# jitlink-check: decode_operand(_immediates + 7, 3) = _first - _immediates - 16
# jitlink-check: decode_operand(_immediates + 16, 3) = _first - _immediates - 26
        movb    $1, _first(%rip)
        movw    $1, _first(%rip)
        movl    $1, _first(%rip)
        retq
        .globl  _hidden
_hidden:
# What has no symbol is referred to by its place in the section.
# jitlink-check: decode_operand(_hidden, 3) = section_addr(pairs.o, __DATA,__hidden) - next_pc(_hidden)
        movl    $1, L_hidden(%rip)
        retq

        .data
        .p2align 3
        .globl  _first
# jitlink-check: *{8}_first = _main - _first + 5
_first:
        .quad   _main - _first + 5
        .globl  _second
# jitlink-check: *{8}_second = _first - _main - 5
_second:
        .quad   _first - _main - 5
        .section __DATA,__hidden
L_hidden:
        .quad   0

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
