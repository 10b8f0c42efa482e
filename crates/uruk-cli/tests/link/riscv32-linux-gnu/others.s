# Every other relocation type: slots, threads, absolute addresses in two parts, sums.
# mc: -mattr=+c,-relax
# flags: -abs ext=0x12345ff8
# slab: 0x10000000
        .text
        .globl main
main:
# jitlink-check: (*{4}(main + 4))[31:20] = (*{4}(main + 8))[31:20]
# jitlink-check: *{4}(main + 12) = 0x000582e7
        auipc   a0, %tlsdesc_hi(variable)
        lw      a1, %tlsdesc_load_lo(main)(a0)
        addi    a0, a0, %tlsdesc_add_lo(main)
        jalr    t0, 0(a1), %tlsdesc_call(main)
offset:
# jitlink-check: *{4}offset = 0x00000537
# jitlink-check: *{4}(offset + 8) = 0x00b52423
# jitlink-check: *{4}(offset + 12) = 0x00852583
        lui     a0, %tprel_hi(variable)
        add     a0, a0, tp, %tprel_add(variable)
        sw      a1, %tprel_lo(variable)(a0)
        lw      a1, %tprel_lo(variable)(a0)
absolute:
# jitlink-check: *{4}absolute = 0x12346537
# jitlink-check: *{4}(absolute + 4) = 0xff852503
# jitlink-check: *{4}(absolute + 8) = 0xfea52c23
        lui     a0, %hi(ext)
        lw      a0, %lo(ext)(a0)
        sw      a0, %lo(ext)(a0)
stored:
# jitlink-check: (*{4}stored)[31:12] = (sums - stored + 0x800)[31:12]
# jitlink-check: (*{4}(stored + 4))[31:25] = (sums - stored)[11:5]
# jitlink-check: (*{4}(stored + 4))[11:7] = (sums - stored)[4:0]
1:      auipc   a0, %pcrel_hi(sums)
        sw      a1, %pcrel_lo(1b)(a0)
slot:
# jitlink-check: (*{4}slot)[31:12] = (got_addr(others.o, ext) - slot + 0x800)[31:12]
# jitlink-check: (*{4}(slot + 4))[31:20] = (got_addr(others.o, ext) - slot)[11:0]
# jitlink-check: *{4}got_addr(others.o, ext) = ext
1:      auipc   a0, %got_pcrel_hi(ext)
        lw      a0, %pcrel_lo(1b)(a0)
threads:
1:      auipc   a0, %tls_ie_pcrel_hi(variable)
        lw      a0, %pcrel_lo(1b)(a0)
1:      auipc   a0, %tls_gd_pcrel_hi(variable)
        addi    a0, a0, %pcrel_lo(1b)
call:
# jitlink-check: (*{4}call)[31:12] = (ext - call + 0x800)[31:12]
# jitlink-check: (*{4}(call + 4))[31:20] = (ext - call)[11:0]
        .reloc  ., R_RISCV_CALL, ext
        .option exact
        auipc   ra, 0
        jalr    ra, 0(ra)
# jitlink-check: *{2}(call + 8) = 0xdc65
# jitlink-check: *{2}(call + 10) = 0xbfe5
# jitlink-check: *{4}(call + 12) = 0xfe000ae3
        .reloc  ., R_RISCV_RVC_BRANCH, call
        c.beqz  s0, .
        .reloc  ., R_RISCV_RVC_JUMP, call + 2
        c.j     .
        .reloc  ., R_RISCV_BRANCH, call
        beq     zero, zero, .
end:    c.nop

        .data
        .globl sums
sums:
# jitlink-check: *{1}sums = end - main + 7
        .byte   7
        .reloc  sums, R_RISCV_ADD8, end
        .reloc  sums, R_RISCV_SUB8, main
# jitlink-check: *{2}(sums + 2) = end - main + 7
        .balign 2
        .reloc  ., R_RISCV_ADD16, end
        .reloc  ., R_RISCV_SUB16, main
        .half   7
# jitlink-check: *{4}(sums + 4) = end - main + 7
        .reloc  ., R_RISCV_ADD32, end
        .reloc  ., R_RISCV_SUB32, main
        .word   7
# jitlink-check: *{8}(sums + 8) = end - main + 7
        .reloc  ., R_RISCV_ADD64, end
        .reloc  ., R_RISCV_SUB64, main
        .quad   7
# jitlink-check: *{8}(sums + 16) = main
        .reloc  ., R_RISCV_64, main
        .quad   0
# jitlink-check: *{8}(sums + 24) = 8 - 0x800
        .reloc  ., R_RISCV_TLS_DTPREL64, variable
        .quad   0
# jitlink-check: *{4}(sums + 32) = (8 - 0x800)[31:0]
        .reloc  ., R_RISCV_TLS_DTPREL32, variable
        .word   0
# jitlink-check: *{4}(sums + 36) = (ext - sums - 36)[31:0]
        .reloc  ., R_RISCV_32_PCREL, ext
        .word   0
# jitlink-check: *{4}(sums + 40) = (ext - sums - 40)[31:0]
        .reloc  ., R_RISCV_PLT32, ext
        .word   0
# jitlink-check: *{4}(sums + 44) = (got_addr(others.o, ext) - sums - 44)[31:0]
        .reloc  ., R_RISCV_GOT32_PCREL, ext
        .word   0
# jitlink-check: *{1}(sums + 48) = 0xc0 | offset - main
        .reloc  ., R_RISCV_SET6, offset
        .reloc  ., R_RISCV_SUB6, main
        .byte   0xc0
# jitlink-check: *{1}(sums + 49) = offset - main
        .reloc  ., R_RISCV_SET8, offset
        .reloc  ., R_RISCV_SUB8, main
        .byte   0
# jitlink-check: *{2}(sums + 50) = offset - main
        .reloc  ., R_RISCV_SET16, offset
        .reloc  ., R_RISCV_SUB16, main
        .half   0
# jitlink-check: *{4}(sums + 52) = offset - main
        .reloc  ., R_RISCV_SET32, offset
        .reloc  ., R_RISCV_SUB32, main
        .word   0
# jitlink-check: *{4}(sums + 56) = 5
        .reloc  ., R_RISCV_NONE, main
        .word   5

        .section .tdata,"awT",@progbits
        .balign 8
        .quad   0
        .type variable,@object
variable: .quad 0
