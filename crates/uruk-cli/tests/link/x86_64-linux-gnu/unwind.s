# The records that say how to unwind: a common one, then that of each function, which begins with the distance to it.
        .text
        .globl main
main:
        .cfi_startproc
        retq
        .cfi_endproc
        .size main, .-main
        .globl second
second:
        .cfi_startproc
        retq
        .cfi_endproc
        .size second, .-second
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 4) = 0
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x20) = (main - section_addr(unwind.o, .eh_frame) - 0x20)[31:0]
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x24) = 1
# jitlink-check: *{4}(section_addr(unwind.o, .eh_frame) + 0x34) = (second - section_addr(unwind.o, .eh_frame) - 0x34)[31:0]
