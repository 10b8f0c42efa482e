# Descriptors, offsets from the thread pointer, absolute addresses in two parts, sums.
# mc: -mattr=-relax
# flags: -abs ext=0x12345ff8
        .text
        .globl main
main:
# The descriptor is the first entry of the table.
# jitlink-check: (*{4}main)[31:12] = (section_addr(others.o, $__GOT) - main + 0x800)[31:12]
# jitlink-check: (*{4}(main + 4))[31:20] = (section_addr(others.o, $__GOT) - main)[11:0]
# jitlink-check: (*{4}(main + 8))[31:20] = (section_addr(others.o, $__GOT) - main)[11:0]
# jitlink-check: *{4}(main + 12) = 0x000582e7
        auipc   a0, %tlsdesc_hi(variable)
        ld      a1, %tlsdesc_load_lo(main)(a0)
        addi    a0, a0, %tlsdesc_add_lo(main)
        jalr    t0, 0(a1), %tlsdesc_call(main)
offset:
# jitlink-check: *{4}offset = 0x00000537
# jitlink-check: *{4}(offset + 8) = 0x00b52423
        lui     a0, %tprel_hi(variable)
        add     a0, a0, tp, %tprel_add(variable)
        sw      a1, %tprel_lo(variable)(a0)
absolute:
# jitlink-check: *{4}absolute = 0x12346537
# jitlink-check: *{4}(absolute + 4) = 0xff852503
# jitlink-check: *{4}(absolute + 8) = 0xfea52c23
        lui     a0, %hi(ext)
        lw      a0, %lo(ext)(a0)
        sw      a0, %lo(ext)(a0)
end:    nop

        .data
        .globl sums
sums:
# jitlink-check: *{8}sums = end - main + 7
        .quad   7
        .reloc  sums, R_RISCV_ADD64, end
        .reloc  sums, R_RISCV_SUB64, main
# jitlink-check: *{8}(sums + 8) = 8 - 0x800
        .reloc  ., R_RISCV_TLS_DTPREL64, variable
        .quad   0
# jitlink-check: *{4}(sums + 16) = 5
        .reloc  ., R_RISCV_NONE, main
        .word   5

        .section .tdata,"awT",@progbits
        .balign 16
        .quad   0
        .type variable,@object
variable: .quad 0
