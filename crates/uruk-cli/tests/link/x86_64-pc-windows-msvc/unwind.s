# The records that say how to unwind: for each function its offsets in the image, in order, and that of what was pushed.
        .text
        .def    main; .scl 2; .type 32; .endef
        .globl  main
        .seh_proc main
main:   subq    $40, %rsp
        .seh_stackalloc 40
        .seh_endprologue
        addq    $40, %rsp
        retq
        .seh_endproc
        .globl  second
        .seh_proc second
second: pushq   %rbx
        .seh_pushreg %rbx
        .seh_endprologue
        popq    %rbx
        retq
        .seh_endproc
        .section .rdata,"dr"
        .globl  image
image:  .long   main@IMGREL
# jitlink-check: *{4}section_addr(unwind.o, .pdata) = (*{4}image)
# jitlink-check: *{4}(section_addr(unwind.o, .pdata) + 4) = (*{4}image) + second - main
# jitlink-check: *{4}(section_addr(unwind.o, .pdata) + 8) = (*{4}image) + section_addr(unwind.o, .xdata) - main
# jitlink-check: *{4}(section_addr(unwind.o, .pdata) + 12) = (*{4}image) + second - main
# jitlink-check: *{4}section_addr(unwind.o, .xdata) = 0x00010401
