# A program that calls itself through a table and returns.
# runs: 42
        .text
        .globl main
main:   leaq    table(%rip), %rax
        callq   *(%rax)
        addl    $2, %eax
        retq
        .size main, .-main
forty:  movl    $40, %eax
        retq
        .size forty, .-forty
        .data
table:  .quad   forty
