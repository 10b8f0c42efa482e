/* Calls a function with every register set, or instruction by instruction, and a function that writes every register
   down. */
struct state {
    unsigned long general[9];   /* rax rcx rdx rsi rdi r8 r9 r10 r11 */
    unsigned long kept[6];      /* rbx rbp r12 r13 r14 r15 */
    unsigned long unused;
    unsigned char vectors[32][64];
    unsigned long masks[8];
    unsigned control;           /* MXCSR, without its flags */
    unsigned short x87_control;
};

__attribute__((visibility("hidden"))) struct state given, seen;
/* 0: xmm0-15; 1: ymm0-15; 2: zmm0-31 and k0-7. */
__attribute__((visibility("hidden"))) long width;

struct state *given_state(void) { return &given; }
struct state *seen_state(void) { return &seen; }
void set_width(long value) { width = value; }

#define GENERAL(move)                                                                                                  \
    move(rax, 0) move(rcx, 8) move(rdx, 16) move(rsi, 24) move(rdi, 32) move(r8, 40) move(r9, 48) move(r10, 56)       \
    move(r11, 64) move(rbx, 72) move(rbp, 80) move(r12, 88) move(r13, 96) move(r14, 104) move(r15, 112)
#define LOAD(name, offset) "mov given+" #offset "(%rip), %" #name "\n"
#define STORE(name, offset) "mov %" #name ", seen+" #offset "(%rip)\n"
#define LOW_VECTORS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
#define ALL_VECTORS LOW_VECTORS ",16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31"
#define MASKS "0,1,2,3,4,5,6,7"
#define EACH(numbers, text) ".irp n," numbers "\n" text "\n.endr\n"

__asm__(
    ".globl call_with_registers\n.type call_with_registers, @function\n"
    "call_with_registers:\n"
    "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "sub $24, %rsp\n"
    "mov %rdi, (%rsp)\n"
    "stmxcsr 8(%rsp)\nfnstcw 12(%rsp)\n"
    "ldmxcsr given+2240(%rip)\nfldcw given+2244(%rip)\n"
    "cmpq $1, width(%rip)\n"
    "jl 1f\nje 2f\n"
    EACH(ALL_VECTORS, "vmovdqu64 given+128+64*\\n(%rip), %zmm\\n")
    EACH(MASKS, "kmovq given+2176+8*\\n(%rip), %k\\n")
    "jmp 3f\n"
    "2:\n" EACH(LOW_VECTORS, "vmovdqu given+128+64*\\n(%rip), %ymm\\n")
    "jmp 3f\n"
    "1:\n" EACH(LOW_VECTORS, "movdqu given+128+64*\\n(%rip), %xmm\\n")
    "3:\n" GENERAL(LOAD)
    "call *(%rsp)\n"
    "ldmxcsr 8(%rsp)\nfldcw 12(%rsp)\n"
    "add $24, %rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\n"
    "ret\n");

__asm__(
    ".globl write_registers\n.type write_registers, @function\n"
    "write_registers:\n" GENERAL(STORE)
    "stmxcsr seen+2240(%rip)\nandl $0xffc0, seen+2240(%rip)\nfnstcw seen+2244(%rip)\n"
    "cmpq $1, width(%rip)\n"
    "jl 1f\nje 2f\n"
    EACH(ALL_VECTORS, "vmovdqu64 %zmm\\n, seen+128+64*\\n(%rip)")
    EACH(MASKS, "kmovq %k\\n, seen+2176+8*\\n(%rip)")
    "ret\n"
    "2:\n" EACH(LOW_VECTORS, "vmovdqu %ymm\\n, seen+128+64*\\n(%rip)")
    "ret\n"
    "1:\n" EACH(LOW_VECTORS, "movdqu %xmm\\n, seen+128+64*\\n(%rip)")
    "ret\n");

/* Changes whatever a function may change, and reports the control words that it found. */
__asm__(
    ".globl clobber\n.type clobber, @function\n"
    "clobber:\n"
    "push $0\nstmxcsr (%rsp)\nfnstcw 4(%rsp)\n"
    "cmpq $1, width(%rip)\n"
    "jl 1f\nje 2f\n"
    EACH(ALL_VECTORS, "vpternlogd $255, %zmm\\n, %zmm\\n, %zmm\\n")
    EACH(MASKS, "kxnorq %k\\n, %k\\n, %k\\n")
    "jmp 3f\n"
    "2:\n" EACH(LOW_VECTORS, "vcmptrueps %ymm\\n, %ymm\\n, %ymm\\n")
    "jmp 3f\n"
    "1:\n" EACH(LOW_VECTORS, "pcmpeqd %xmm\\n, %xmm\\n")
    "3:\n"
    ".rept 8\nfldpi\n.endr\n.rept 8\nfstp %st(0)\n.endr\n"
    ".irp r,rcx,rdx,rsi,rdi,r8,r9,r10,r11\nmov $0x5a5a5a5a, %\\r\n.endr\n"
    "pop %rax\n"
    "ret\n");

/* Calls a function with the trap flag set; the call returns to `stepping_return`. */
__asm__(
    ".globl call_stepping, stepping_return\n.type call_stepping, @function\n.type stepping_return, @object\n"
    "call_stepping:\n"
    ".cfi_startproc\n"
    "sub $8, %rsp\n"
    ".cfi_adjust_cfa_offset 8\n"
    "pushf\norl $0x100, (%rsp)\npopf\n"
    "call *%rdi\n"
    "stepping_return:\n"
    "pushf\nandl $~0x100, (%rsp)\npopf\n"
    "add $8, %rsp\n"
    ".cfi_adjust_cfa_offset -8\n"
    "ret\n"
    ".cfi_endproc\n");
