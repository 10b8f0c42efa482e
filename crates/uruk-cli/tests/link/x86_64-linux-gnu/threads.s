# Thread-local variables of every model, as for a program that has no others: they end at the thread pointer.
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 4) = 0-8
        movq    %fs:second@TPOFF, %rax
        .size main, 9
initial:
# jitlink-check: *{8}(next_pc(initial) + decode_operand(initial, 4)) = 0-16
        movq    first@GOTTPOFF(%rip), %rax
        .size initial, .-initial
general:
# The pair of a module and an offset.
# jitlink-check: *{8}(next_pc(general) + decode_operand(general, 4) + 8) = 8
        leaq    second@TLSGD(%rip), %rdi
        .size general, .-general
local:
# jitlink-check: *{8}(next_pc(local) + decode_operand(local, 4) + 8) = 0
        leaq    first@TLSLD(%rip), %rdi
        .size local, .-local
        .data
offsets:
# jitlink-check: *{8}offsets = 8
        .quad   second@DTPOFF
# jitlink-check: *{8}offsets + 8 = 0-8
        .quad   second@TPOFF
# jitlink-check: *{4}offsets + 16 = 8
        .long   second@DTPOFF
        .size offsets, 20
        .section .tdata,"awT",@progbits
        .balign 8
        .globl first, second
        .type first,@object
first:  .quad   1
        .size first, 8
        .type second,@object
second: .quad   2
        .size second, 8
