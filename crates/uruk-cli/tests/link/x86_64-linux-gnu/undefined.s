# fails: nowhere_to_be_found
        .globl main
main:   callq   nowhere_to_be_found
