// Absolute symbols of an object: small, negative and 64 bits wide; and R_X86_64_SIZE64 and SIZE32.
        .globl  abs_small, abs_negative, abs_wide, wide_value, size_value, size_small, read_small, sized
abs_small = 0x1234
abs_negative = -2
abs_wide = 0x123456789abcdef0
        .text
read_small:
        movl    $abs_small, %eax
        ret
        .type   read_small, @function
        .size   read_small, .-read_small
        .data
        .balign 8
sized:  .fill   123, 1, 7
        .type   sized, @object
        .size   sized, 123
        .balign 8
wide_value:
        .quad   abs_wide
        .type   wide_value, @object
        .size   wide_value, 8
size_value:
        .quad   sized@SIZE + 1
size_small:
        .long   sized@SIZE
        .section .note.GNU-stack,"",@progbits
