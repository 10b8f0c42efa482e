        .text
        .globl  chosen
chosen:
strong: retq
        .size strong, .-strong
        .comm   shared, 64, 64
        .data
        .globl  other_pointer
other_pointer:
        .quad   shared
        .size other_pointer, 8
