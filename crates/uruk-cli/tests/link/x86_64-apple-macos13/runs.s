# A program that calls itself through a _table and returns.
# runs: 42
        .text
        .globl _main
_main:   leaq    _table(%rip), %rax
        callq   *(%rax)
        addl    $2, %eax
        retq
_forty:  movl    $40, %eax
        retq
        .data
_table:  .quad   _forty
