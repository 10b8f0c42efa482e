// First calls of functions in another object, which is linked by them when the command links lazily: every argument arrives,
// and every register that belongs to a caller by Windows' convention, or may be passed by any other, is left as it was.
#include "lazy.h"
#include <stdio.h>
#include <string.h>

struct state given, left;

// Calls `write_registers` with all registers as `given` says, and writes down what is left of them in `left`.
void call_with_registers(void);
#define LOAD(name, offset) "movq given+" #offset "(%rip), %" #name "\n"
#define LEAVE(name, offset) "movq %" #name ", left+" #offset "(%rip)\n"
__asm__(
    ".globl call_with_registers\n"
    "call_with_registers:\n"
    "pushq %rbx\npushq %rbp\npushq %rsi\npushq %rdi\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "subq $248, %rsp\n"
    ".irp n,6,7,8,9,10,11,12,13,14,15\n"
    "movdqu %xmm\\n, 16*\\n-16(%rsp)\n"
    ".endr\n"
    "stmxcsr 72(%rsp)\n"
    ".irp n,0,8,16,24,32,40,48,56\n"
    "movq given+120+\\n(%rip), %rax\n"
    "movq %rax, \\n(%rsp)\n"
    ".endr\n"
    "ldmxcsr given+440(%rip)\n"
    ".irp n," ALL_VECTORS "\n"
    "movdqu given+184+16*\\n(%rip), %xmm\\n\n"
    ".endr\n" GENERAL(LOAD)
    "call write_registers\n" GENERAL(LEAVE)
    "stmxcsr left+440(%rip)\n"
    ".irp n," ALL_VECTORS "\n"
    "movdqu %xmm\\n, left+184+16*\\n(%rip)\n"
    ".endr\n"
    "ldmxcsr 72(%rsp)\n"
    ".irp n,6,7,8,9,10,11,12,13,14,15\n"
    "movdqu 16*\\n-16(%rsp), %xmm\\n\n"
    ".endr\n"
    "addq $248, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rdi\npopq %rsi\npopq %rbp\npopq %rbx\n"
    "ret\n");

static void registers(void) {
    // Rounds down, which whoever links must not.
    given.control = 0x3f80;
    for (int i = 0; i < 9; i++) given.general[i] = 0x1111111111111111ull * (i + 1);
    for (int i = 0; i < 6; i++) given.kept[i] = 0x0101010101010101ull * (i + 0x81);
    for (int i = 0; i < 8; i++) given.stack[i] = 0xabcdef0000000000ull + i;
    for (int i = 0; i < 16; i++) given.vectors[i][0] = i + 1, given.vectors[i][1] = ~0ull - i;
    call_with_registers();
    memcpy(left.stack, given.stack, sizeof left.stack);
    puts(memcmp(&given, &seen, sizeof given) ? "a register does not arrive" : "all registers arrive");
    puts(memcmp(&given, &left, sizeof given) ? "a register is not left" : "all registers are left");
}

int main(int argc, char **argv) {
    registers();
    if (argc > 9) return incomplete();
    printf("%lld\n", integers(1, 2, 3, 4, 5, 6));
    printf("%.1f\n", numbers(1.5f, 2.5, 3.5f, 4.5, 5.5, 6.5f));
    printf("%.1f\n", mixed(1, 2.5, 3, 4.5f, 5, 6.5));
    printf("%.1f\n", variadic(6, 1, 2.0, 3, 4.0, 5, 6.5));
    struct large large = structure(2, (struct large){{1, 2, 3, 4, 5}}, 7);
    printf("%.1f %.1f\n", large.values[0], large.values[4]);
#ifdef __clang__
    vector result = vectors((vector){1, 2, 3, 4}, 2, (vector){10, 20, 30, 40}, 3, (vector){100, 200, 300, 400},
                            (vector){1000, 2000, 3000, 4000});
    printf("%.1f %.1f\n", result[0], result[3]);
#endif
    return argc;
}
