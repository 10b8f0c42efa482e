# Offsets of thread-local variables in their module's image.
        .text
        .globl  main
main:
# jitlink-check: decode_operand(main, 2) = 0
# jitlink-check: decode_operand(main + 4, 2) = 8
# jitlink-check: decode_operand(main + 8, 2) = 1
        add     x0, x0, :secrel_hi12:variable
        add     x1, x0, :secrel_lo12:variable
        ldr     x0, [x0, :secrel_lo12:variable]
        ret
        .section .tls$,"dw"
        .xword  0
        .globl  variable
variable:
        .xword  1
