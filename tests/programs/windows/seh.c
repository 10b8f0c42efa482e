// Structured exceptions: a fault and a raised one, each in a frame below the one that handles it.
#include <stdio.h>
#include <windows.h>

static int *volatile nowhere;
static __attribute__((noinline)) int reads(void) { return *nowhere; }
static int filter(unsigned code) {
    printf("filter %08x\n", code);
    return EXCEPTION_EXECUTE_HANDLER;
}

int main(void) {
    int result = 0;
    __try {
        result = reads();
    } __except (filter(GetExceptionCode())) {
        result = 42;
    }
    __try {
        __try {
            RaiseException(0xe0000001, 0, 0, NULL);
        } __finally {
            puts("finally");
        }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        puts("handled");
    }
    return result;
}
