        .text
        .globl other
other:
        movq    main@GOTPCREL(%rip), %rax
        retq
        .size other, .-other
        .data
private:
        .quad   main
        .size private, 8
