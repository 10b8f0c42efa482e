# The records that say how to unwind what compact ones cannot describe: a common one, then one with the distance to its
# function.
        .text
        .globl _main
        .p2align 2
_main:
        .cfi_startproc
        .cfi_def_cfa_offset 16
        .cfi_offset w3, -8
        ret
        .cfi_endproc
# jitlink-check: *{8}(section_addr(unwind.o, __TEXT,__eh_frame) + 0x1c) = \
# jitlink-check:   _main - section_addr(unwind.o, __TEXT,__eh_frame) - 0x1c
# jitlink-check: *{8}(section_addr(unwind.o, __TEXT,__eh_frame) + 0x24) = 4
        .subsections_via_symbols
