# The large code model: distances from the GOT, and to it.
# flags: -abs far=0x7fff00000000
        .text
        .globl main
main:
# jitlink-check: decode_operand(main, 1) = section_addr(large.o, $__GOT) - main
        movabsq $_GLOBAL_OFFSET_TABLE_-main, %rax
        .size main, .-main
got_base:
# jitlink-check: decode_operand(got_base, 4) = section_addr(large.o, $__GOT) - next_pc(got_base)
        leaq    _GLOBAL_OFFSET_TABLE_(%rip), %rax
        .size got_base, .-got_base
slot:
# jitlink-check: decode_operand(slot, 1) = got_addr(large.o, far) - section_addr(large.o, $__GOT)
        movabsq $far@GOT, %rax
        .size slot, .-slot
distance:
# jitlink-check: decode_operand(distance, 1) = value - section_addr(large.o, $__GOT)
        movabsq $value@GOTOFF, %rax
        .size distance, .-distance
stub:
# jitlink-check: decode_operand(stub, 1) = stub_addr(large.o, far) - section_addr(large.o, $__GOT)
        movabsq $far@PLTOFF, %rax
        .size stub, .-stub
short_slot:
# jitlink-check: decode_operand(short_slot, 4) = got_addr(large.o, far) - section_addr(large.o, $__GOT)
        movq    far@GOT(%rax), %rax
        .size short_slot, .-short_slot
        .data
value:
# jitlink-check: *{8}value = far - value
        .quad   far - .
        .size value, 8
