/* Calls a function with every register set, and a function that writes every register down. */
struct state {
    unsigned long general[27]; /* x0 to x15, x18; x19 to x28 */
    unsigned long control;     /* FPCR */
    unsigned char vectors[32][16];
};

__attribute__((visibility("hidden"))) struct state given, seen;
struct state *given_state(void) { return &given; }
struct state *seen_state(void) { return &seen; }
void set_width(long value) { (void)value; }

#define EACH(numbers, text) ".irp n," numbers "\n" text "\n.endr\n"
#define ALL "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define KEPT "19,20,21,22,23,24,25,26,27,28"
#define PASSED "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"

__asm__(
    ".globl call_with_registers\n.type call_with_registers, %function\n"
    "call_with_registers:\n"
    "sub sp, sp, #192\n"
    "stp x29, x30, [sp]\nmrs x1, fpcr\nstp x0, x1, [sp, #16]\n"
    EACH(KEPT, "str x\\n, [sp, #32 + 8 * (\\n - 19)]")
    EACH("8,9,10,11,12,13,14,15", "str d\\n, [sp, #112 + 8 * (\\n - 8)]")
    "adrp x16, given\nadd x16, x16, :lo12:given\n"
    "ldr x0, [x16, #216]\nmsr fpcr, x0\n"
    EACH(ALL, "ldr q\\n, [x16, #224 + 16 * \\n]")
    EACH(PASSED, "ldr x\\n, [x16, #8 * \\n]")
    "ldr x18, [x16, #128]\n"
    EACH(KEPT, "ldr x\\n, [x16, #136 + 8 * (\\n - 19)]")
    "ldr x16, [sp, #16]\n"
    "blr x16\n"
    "ldp x0, x1, [sp, #16]\nmsr fpcr, x1\n"
    EACH(KEPT, "ldr x\\n, [sp, #32 + 8 * (\\n - 19)]")
    EACH("8,9,10,11,12,13,14,15", "ldr d\\n, [sp, #112 + 8 * (\\n - 8)]")
    "ldp x29, x30, [sp]\n"
    "add sp, sp, #192\n"
    "ret\n");

__asm__(
    ".globl write_registers\n.type write_registers, %function\n"
    "write_registers:\n"
    "adrp x16, seen\nadd x16, x16, :lo12:seen\n"
    EACH(PASSED, "str x\\n, [x16, #8 * \\n]")
    "str x18, [x16, #128]\n"
    EACH(KEPT, "str x\\n, [x16, #136 + 8 * (\\n - 19)]")
    "mrs x0, fpcr\nstr x0, [x16, #216]\n"
    EACH(ALL, "str q\\n, [x16, #224 + 16 * \\n]")
    "ret\n");

/* Changes whatever a function may change, and reports the control word that it found. */
__asm__(
    ".globl clobber\n.type clobber, %function\n"
    "clobber:\n"
    EACH("0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31", "movi v\\n\\().16b, #0x5a")
    /* Of these the lower half is the caller's. */
    EACH("8,9,10,11,12,13,14,15", "mov v\\n\\().d[1], xzr")
    EACH("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18", "mov x\\n, #0x5a5a")
    "mrs x0, fpcr\n"
    "ret\n");
