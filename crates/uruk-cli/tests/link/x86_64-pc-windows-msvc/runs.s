# A program that calls itself through a table and returns.
# runs: 42
        .text
        .globl main
main:   leaq    table(%rip), %rax
        callq   *(%rax)
        addl    $2, %eax
        retq
forty:  movl    $40, %eax
        retq
        .data
table:  .quad   forty
