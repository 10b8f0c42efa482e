# A lower part whose label marks no upper part.
# mc: -mattr=+relax
# fails: R_RISCV_PCREL_LO12_I to `label`, where no relocation is that it could complete
        .text
        .globl main
main:
label:  nop
        .reloc  ., R_RISCV_PCREL_LO12_I, label
        addi    a0, a0, 0
