// What LLVM's LLJIT needs to read a module of bitcode, compile it, after the passes of -O2 if that is said, and call its
// `entry`: lljit_compile [-O2] FILE. Prints milliseconds and what was returned.
#include <llvm-c/BitReader.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void check(LLVMErrorRef error) {
    if (!error) return;
    fprintf(stderr, "lljit_compile: %s\n", LLVMGetErrorMessage(error));
    exit(1);
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}

// Runs the passes for this machine.
static void optimize(LLVMModuleRef module) {
    char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
    LLVMTargetRef target;
    if (LLVMGetTargetFromTriple(triple, &target, &message)) exit(4);
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(target, triple, LLVMGetHostCPUName(), LLVMGetHostCPUFeatures(),
                                LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    check(LLVMRunPasses(module, "default<O2>", machine, options));
    LLVMDisposePassBuilderOptions(options);
    LLVMDisposeTargetMachine(machine);
}

int main(int argc, char **argv) {
    LLVMMemoryBufferRef buffer;
    LLVMModuleRef module;
    LLVMOrcLLJITRef jit;
    LLVMOrcExecutorAddress address;
    char *message = NULL;
    int passes = argc == 3 && !strcmp(argv[1], "-O2");
    if (argc != 2 + passes || LLVMCreateMemoryBufferWithContentsOfFile(argv[argc - 1], &buffer, &message)) return 2;
    double start = now_ms();
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    check(LLVMOrcCreateLLJIT(&jit, NULL));
    LLVMContextRef context = LLVMContextCreate();
    LLVMOrcThreadSafeContextRef shared = LLVMOrcCreateNewThreadSafeContextFromLLVMContext(context);
    if (LLVMParseBitcodeInContext2(context, buffer, &module)) return 3;
    if (passes) optimize(module);
    LLVMOrcThreadSafeModuleRef guarded = LLVMOrcCreateNewThreadSafeModule(module, shared);
    LLVMOrcDisposeThreadSafeContext(shared);
    check(LLVMOrcLLJITAddLLVMIRModule(jit, LLVMOrcLLJITGetMainJITDylib(jit), guarded));
    check(LLVMOrcLLJITLookup(jit, &address, "entry"));
    long long result = ((long long (*)(void))address)();
    printf("%.3f\t%lld\n", now_ms() - start, result);
    check(LLVMOrcDisposeLLJIT(jit));
    return 0;
}
