# Addresses and slots of four bytes.
# mc: -mattr=+c,+relax
# flags: -abs far=0x12345678 -slab-address=0x80000000
        .text
        .globl main
main:
# jitlink-check: (*{4}main)[31:12] = 0x12345
# jitlink-check: (*{4}(main + 4))[31:20] = 0x678
        lui     a0, %hi(far)
        lw      a0, %lo(far)(a0)
call:
# jitlink-check: *{2}call = 0x2011
        call    function
# jitlink-check: function = call + 4
        nop
function:
        ret

        .data
        .globl value
value:
# jitlink-check: *{4}value = main + 2
        .word   main + 2
