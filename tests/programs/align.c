// Alignment above a page: 64 KiB in data, read-only data, zeroed data and code.
#include <stdint.h>
#include <stdio.h>

_Alignas(65536) char data[10] = "data";
_Alignas(65536) const char constant[70000] = "constant";
static _Alignas(65536) char zeroed[100];
__attribute__((aligned(65536))) static int code(int x) { return x + 1; }
_Alignas(32) char small[3] = "s";

int main(void) {
    int (*volatile call)(int) = code;
    printf("%d %d %d %d %d\n", (int)((uintptr_t)data % 65536), (int)((uintptr_t)constant % 65536),
           (int)((uintptr_t)zeroed % 65536), (int)((uintptr_t)call % 65536), (int)((uintptr_t)small % 32));
    printf("%s %s %d %d\n", data, constant, zeroed[99], call(1));
    return 0;
}
