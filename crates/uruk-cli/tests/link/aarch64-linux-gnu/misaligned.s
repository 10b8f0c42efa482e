# An access of eight bytes at an address that is no multiple of eight.
# fails: R_AARCH64_LDST64_ABS_LO12_NC to `odd` needs 0x100001004, which is no multiple of 8
        .text
        .globl main
main:   ldr     x0, [x0, :lo12:odd]
        .data
        .balign 8
        .word   0
        .globl odd
odd:    .word   0
