// Throws through functions of another compiler: each call goes through one, and so does the exception. Whoever catches it has
// numbers in registers that those functions have saved.
#include <stdio.h>

extern "C" int through(int (*next)(int), int count);

// By the System V convention a function may change these.
__asm__(
    ".globl forget\n"
    "forget:\n"
    "xorl %esi, %esi\nxorl %edi, %edi\n"
    ".irp n,6,7,8,9,10,11,12,13,14,15\n"
    "pxor %xmm\\n, %xmm\\n\n"
    ".endr\n"
    "ret\n");

static int next(int count) {
    if (count == 0) throw 42;
    return through(next, count - 1) + 1;
}

static volatile double numbers[] = {1.5, 2.5, 3.5};
static volatile long long integers[] = {4, 5, 6};

int main() {
    double a = numbers[0], b = numbers[1], c = numbers[2];
    long long d = integers[0], e = integers[1], f = integers[2];
    try {
        return through(next, 5);
    } catch (int thrown) {
        printf("%.1f %.1f %.1f %lld %lld %lld\n", a, b, c, d, e, f);
        return thrown;
    }
}
