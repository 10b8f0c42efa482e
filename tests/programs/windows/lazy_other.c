// Functions of an object that is linked when the first of them is called.
#include "lazy.h"
#include <stdarg.h>

struct state seen;

long long integers(int a, long long b, short c, unsigned d, long long e, signed char f) {
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

double numbers(float a, double b, float c, double d, double e, float f) {
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

double mixed(int a, double b, long long c, float d, int e, double f) {
    return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

double variadic(int count, ...) {
    double sum = 0;
    va_list list;
    va_start(list, count);
    for (int i = 0; i < count; i++) sum = 10 * sum + (i % 2 ? va_arg(list, double) : va_arg(list, int));
    va_end(list);
    return sum;
}

struct large structure(double a, struct large b, int c) {
    for (int i = 0; i < 5; i++) b.values[i] = b.values[i] * a + c;
    return b;
}

#ifdef __clang__
__attribute__((vectorcall)) vector vectors(vector a, double b, vector c, float d, vector e, vector f) {
    return a + (float)b * c + d * e + f;
}
#endif

#define STORE(name, offset) "movq %" #name ", seen+" #offset "(%rip)\n"

__asm__(
    ".globl write_registers\n"
    "write_registers:\n" GENERAL(STORE)
    ".irp n,8,16,24,32,40,48,56,64\n"
    "movq \\n(%rsp), %rax\n"
    "movq %rax, seen+112+\\n(%rip)\n"
    ".endr\n"
    "stmxcsr seen+440(%rip)\n"
    ".irp n," ALL_VECTORS "\n"
    "movdqu %xmm\\n, seen+184+16*\\n(%rip)\n"
    ".endr\n"
    "movq seen(%rip), %rax\n"
    "ret\n");
