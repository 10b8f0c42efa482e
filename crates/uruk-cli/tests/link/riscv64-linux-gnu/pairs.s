# Pairs of instructions: the second completes what the first holds, and loads from slots become computations.
# mc: -mattr=+c,+relax
# flags: -abs far=0x7fff00000000 -abs near=0x100100800
        .text
        .globl main
main:
# jitlink-check: (*{4}main)[31:12] = (near - main + 0x800)[31:12]
# jitlink-check: (*{4}(main + 4))[31:20] = (near - main)[11:0]
1:      auipc   a0, %pcrel_hi(near)
        addi    a0, a0, %pcrel_lo(1b)

store:
# jitlink-check: (*{4}(store + 4))[31:25] = (near - store)[11:5]
# jitlink-check: (*{4}(store + 4))[11:7] = (near - store)[4:0]
1:      auipc   a0, %pcrel_hi(near)
        sw      a1, %pcrel_lo(1b)(a0)

load_near:
# jitlink-check: (*{4}load_near)[31:12] = (near - load_near + 0x800)[31:12]
# jitlink-check: (*{4}(load_near + 4))[6:0] = 0x13
# jitlink-check: (*{4}(load_near + 4))[31:20] = (near - load_near)[11:0]
1:      auipc   a0, %got_pcrel_hi(near)
        ld      a0, %pcrel_lo(1b)(a0)

load_far:
# jitlink-check: (*{4}load_far)[31:12] = (got_addr(pairs.o, far) - load_far + 0x800)[31:12]
# jitlink-check: (*{4}(load_far + 4))[6:0] = 3
# jitlink-check: (*{4}(load_far + 4))[31:20] = (got_addr(pairs.o, far) - load_far)[11:0]
# jitlink-check: *{8}got_addr(pairs.o, far) = far
1:      auipc   a0, %got_pcrel_hi(far)
        ld      a0, %pcrel_lo(1b)(a0)

call_far:
# jitlink-check: (*{4}call_far)[31:12] = (stub_addr(pairs.o, far) - call_far + 0x800)[31:12]
# jitlink-check: (*{4}(call_far + 4))[31:20] = (stub_addr(pairs.o, far) - call_far)[11:0]
        call    far
