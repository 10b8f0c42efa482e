# The records that say how to unwind: a common one, then that of each function, which begins with the distance to it.
# mc: -mattr=-c,-relax
        .text
        .globl main
main:
        .cfi_startproc
        ret
        .cfi_endproc
        .size main, .-main
        .globl second
second:
        .cfi_startproc
        ret
        .cfi_endproc
        .size second, .-second
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 4) = 0
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x1c) = (main - section_addr(unwind.o, .eh_frame) - 0x1c)[31:0]
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x20) = 4
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x30) = (second - section_addr(unwind.o, .eh_frame) - 0x30)[31:0]
