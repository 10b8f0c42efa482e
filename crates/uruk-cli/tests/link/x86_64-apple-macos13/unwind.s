# The records that say how to unwind: a common one, then that of each function, which begins with the distance to it. What
# has compact records only gets others.
        .text
        .globl _main
_main:
        .cfi_startproc
        retq
        .cfi_endproc
        .globl _second
_second:
        .cfi_startproc
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        popq    %rbp
        retq
        .cfi_endproc
# jitlink-check: *{8}(section_addr(unwind.o, __TEXT,__eh_frame) + 0x20) = _main - section_addr(unwind.o, __TEXT,__eh_frame) - 0x20
# jitlink-check: *{8}(section_addr(unwind.o, __TEXT,__eh_frame) + 0x28) = 1
# jitlink-check: *{8}(section_addr(unwind.o, __TEXT,__eh_frame) + 0x40) = _second - section_addr(unwind.o, __TEXT,__eh_frame) - 0x40
        .subsections_via_symbols
