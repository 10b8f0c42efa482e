// What LLVM's LLJIT, with JITLink beneath it, needs to add an object in memory, link it, call its `cycle` and remove it:
// lljit OBJECT. Prints the median of rounds as JSON.
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 21, CYCLES = 200 };

static void check(LLVMErrorRef error) {
    if (!error) return;
    fprintf(stderr, "lljit: %s\n", LLVMGetErrorMessage(error));
    exit(1);
}

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (0 < difference) - (difference < 0);
}

int main(int argc, char **argv) {
    static char bytes[1 << 16];
    double rounds[ROUNDS];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    LLVMOrcLLJITRef jit;
    if (!size) return 2;
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    check(LLVMOrcCreateLLJIT(&jit, NULL));
    LLVMOrcJITDylibRef dylib = LLVMOrcLLJITGetMainJITDylib(jit);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < CYCLES; i++) {
            LLVMOrcExecutorAddress address;
            LLVMOrcResourceTrackerRef tracker = LLVMOrcJITDylibCreateResourceTracker(dylib);
            LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange(bytes, size, "cycle.o", 0);
            check(LLVMOrcLLJITAddObjectFileWithRT(jit, tracker, buffer));
            check(LLVMOrcLLJITLookup(jit, &address, "cycle"));
            if (((int (*)(int))address)(1) != 42) return 3;
            check(LLVMOrcResourceTrackerRemove(tracker));
            LLVMOrcReleaseResourceTracker(tracker);
        }
        rounds[round] = (now_us() - start) / CYCLES;
    }
    qsort(rounds, ROUNDS, sizeof *rounds, by_value);
    printf("{\"cycle_us\":%.3f}\n", rounds[ROUNDS / 2]);
    check(LLVMOrcDisposeLLJIT(jit));
    return 0;
}
