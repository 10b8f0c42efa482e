# Thread-local variables of a static program: at the thread pointer, and 0x800 before where tables say.
# mc: -mattr=+relax
        .text
        .globl main
main:
# jitlink-check: *{4}main = 0x00000537
# jitlink-check: *{4}(main + 8) = 0x01052583
        lui     a0, %tprel_hi(second)
        add     a0, a0, tp, %tprel_add(second)
        lw      a1, %tprel_lo(second)(a0)

        .section .tdata, "awT", @progbits
        .balign 16
first:  .quad   1, 2
second: .quad   3
