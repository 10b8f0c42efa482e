/* Calls a function with every register set, and a function that writes every register down. */
struct state {
    unsigned long general[25]; /* a0 to a7, t0, t2, t4 to t6; s0 to s11 */
    unsigned long control;     /* fcsr */
    unsigned long floats[32];
};

__attribute__((visibility("hidden"))) struct state given, seen;
struct state *given_state(void) { return &given; }
struct state *seen_state(void) { return &seen; }
void set_width(long value) { (void)value; }

#define EACH(numbers, text) ".irp n," numbers "\n" text "\n.endr\n"
#define ALL "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define EIGHT "0,1,2,3,4,5,6,7"
#define KEPT EIGHT ",8,9,10,11"
#define GENERAL(op)                                                                                                    \
    EACH(EIGHT, op " a\\n, 8*\\n(t1)")                                                                                \
    op " t0, 64(t1)\n" op " t2, 72(t1)\n" op " t4, 80(t1)\n" op " t5, 88(t1)\n" op " t6, 96(t1)\n"                     \
    EACH(KEPT, op " s\\n, 104+8*\\n(t1)")

__asm__(
    ".globl call_with_registers\n.type call_with_registers, @function\n"
    "call_with_registers:\n"
    "addi sp, sp, -224\n"
    "sd ra, 0(sp)\nfrcsr t0\nsd t0, 8(sp)\n"
    EACH(KEPT, "sd s\\n, 16+8*\\n(sp)\nfsd fs\\n, 112+8*\\n(sp)")
    "mv t3, a0\n"
    "lla t1, given\n"
    "ld t0, 200(t1)\nfscsr t0\n"
    EACH(ALL, "fld f\\n, 208+8*\\n(t1)")
    GENERAL("ld")
    "jalr t3\n"
    "ld t0, 8(sp)\nfscsr t0\n"
    EACH(KEPT, "ld s\\n, 16+8*\\n(sp)\nfld fs\\n, 112+8*\\n(sp)")
    "ld ra, 0(sp)\n"
    "addi sp, sp, 224\n"
    "ret\n");

__asm__(
    ".globl write_registers\n.type write_registers, @function\n"
    "write_registers:\n"
    "lla t1, seen\n"
    GENERAL("sd")
    "frcsr t0\nsd t0, 200(t1)\n"
    EACH(ALL, "fsd f\\n, 208+8*\\n(t1)")
    "ret\n");

/* Changes whatever a function may change, and reports the control word that it found. */
__asm__(
    ".globl clobber\n.type clobber, @function\n"
    "clobber:\n"
    "frcsr a0\n"
    "li t0, 0x5a5a5a5a\n"
    EACH(EIGHT, "fmv.d.x fa\\n, t0")
    EACH(KEPT, "fmv.d.x ft\\n, t0")
    EACH("1,2,3,4,5,6,7", "mv a\\n, t0")
    EACH("1,2,3,4,5,6", "mv t\\n, t0")
    "ret\n");
