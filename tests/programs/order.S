// Old-style .ctors and .dtors with and without a priority, and pointers in .init_array.NNN and .fini_array.NNN.
        .section .ctors,"aw"
        .quad   old_constructor
        .section .ctors.65435,"aw"
        .quad   old_constructor_100
        .section .dtors,"aw"
        .quad   old_destructor
        .section .init_array.00120,"aw",@init_array
        .quad   array_120
        .section .init_array,"aw",@init_array
        .quad   array_plain
        .section .fini_array.00120,"aw",@fini_array
        .quad   fini_120
        .section .note.GNU-stack,"",@progbits
