# What has eight bytes, and what thread-local descriptors are called by.
# flags: -abs far=0x7fff00000000
        .text
        .globl main
main:
        retq
        .size main, .-main
described:
# jitlink-check: (decode_operand(described, 4) + next_pc(described))[3:0] = 0
# jitlink-check: *{2}(described + 7) = 0x10ff
        leaq    variable@TLSDESC(%rip), %rax
        callq   *variable@TLSCALL(%rax)
        .size described, .-described
        .data
fields:
# jitlink-check: *{8}fields = got_addr(wide.o, far) - fields + 4
        .reloc  ., R_X86_64_GOTPCREL64, far+4
        .quad   0
# jitlink-check: *{8}fields + 8 = got_addr(wide.o, far) - section_addr(wide.o, $__GOT)
        .reloc  ., R_X86_64_GOTPLT64, far
        .quad   0
# jitlink-check: *{8}fields + 16 = 48
        .reloc  ., R_X86_64_SIZE64, fields+8
        .quad   0
# jitlink-check: *{8}fields + 24 = section_addr(wide.o, $__GOT) - fields - 24
        .reloc  ., R_X86_64_GOTPC64, _GLOBAL_OFFSET_TABLE_
        .quad   0
# jitlink-check: *{8}fields + 32 = stub_addr(wide.o, far) - section_addr(wide.o, $__GOT) + 2
        .reloc  ., R_X86_64_PLTOFF64, far+2
        .quad   0
        .size fields, 40
        .section .tdata,"awT",@progbits
        .balign 16
        .type variable,@object
variable: .quad 1
        .size variable, 8
