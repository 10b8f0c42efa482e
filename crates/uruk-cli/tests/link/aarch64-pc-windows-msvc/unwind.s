# The records that say how to unwind: for each function its offset in the image, in order, and what was done.
        .text
        .globl  main
        .seh_proc main
main:   sub     sp, sp, #16
        .seh_stackalloc 16
        .seh_endprologue
        .seh_startepilogue
        add     sp, sp, #16
        .seh_stackalloc 16
        .seh_endepilogue
        ret
        .seh_endproc
        .globl  second
        .seh_proc second
second: sub     sp, sp, #32
        .seh_stackalloc 32
        .seh_endprologue
        .seh_startepilogue
        add     sp, sp, #32
        .seh_stackalloc 32
        .seh_endepilogue
        ret
        .seh_endproc
        .section .rdata,"dr"
        .globl  image
image:  .word   main@IMGREL
# jitlink-check: *{4}section_addr(unwind.o, .pdata) = (*{4}image)
# jitlink-check: *{4}(section_addr(unwind.o, .pdata) + 8) = (*{4}image) + second - main
