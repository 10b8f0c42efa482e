// 70,000 sections, more than 16 bits count: extended section indices. Each holds one function that returns its number.
        .altmacro
        .macro  one_function number
        .section .text.f\number,"ax",@progbits
f\number:
        movl    $\number, %eax
        ret
        .section .rodata.table,"a",@progbits
        .long   f\number - table
        .endm
        .section .rodata.table,"a",@progbits
        .globl  table
        .balign 4
table:
        .set    n, 0
        .rept   70000
        one_function %n
        .set    n, n + 1
        .endr
        .section .note.GNU-stack,"",@progbits
