/* Modules that this program has made with LLVM's C interface: linked where there is a plugin, and refused where there is none. */

#define _GNU_SOURCE
#include "check.h"
#include <uruk_llvm.h>

static LLVMContextRef context;

static LLVMModuleRef module_with(const char *identifier, const char *function, int value) {
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext(identifier, context);
  LLVMTypeRef number = LLVMInt32TypeInContext(context);
  LLVMValueRef made = LLVMAddFunction(module, function, LLVMFunctionType(number, NULL, 0, 0));
  LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
  LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, made, "entry"));
  LLVMBuildRet(builder, LLVMConstInt(number, (unsigned long long)value, 0));
  LLVMDisposeBuilder(builder);
  return module;
}

static void linked(uruk_dylib *dylib) {
  LLVMModuleRef module = module_with("first", "first", 41);
  uruk_tracker *tracker = NULL;
  uint64_t result;
  OK(uruk_dylib_add_llvm_module(dylib, NULL, NULL, module));
  FAILS(URUK_DUPLICATE, "first", uruk_dylib_add_llvm_module(dylib, NULL, NULL, module));
  LLVMDisposeModule(module);
  OK(uruk_dylib_call(dylib, "first", NULL, 0, &result));
  CHECK((int)result == 41);
  OK(uruk_tracker_create(dylib, &tracker));
  module = module_with("second", "second", 42);
  OK(uruk_dylib_add_llvm_module(dylib, tracker, "a name", module));
  LLVMDisposeModule(module);
  OK(uruk_dylib_call(dylib, "second", NULL, 0, &result));
  CHECK((int)result == 42);
  OK(uruk_tracker_remove(tracker));
  FAILS(URUK_MISSING, "second", uruk_dylib_call(dylib, "second", NULL, 0, &result));
  OK(uruk_tracker_dispose(tracker));
}

static void refused(uruk_dylib *dylib) {
  LLVMModuleRef module = module_with("refused", "refused", 1);
  setenv("URUK_LLVM", "/nowhere/libllvm.so", 1);
  FAILS(URUK_UNSUPPORTED, "/nowhere/libllvm.so", uruk_dylib_add_llvm_module(dylib, NULL, NULL, module));
  LLVMDisposeModule(module);
}

int main(int argc, char **argv) {
  uruk_jit *jit;
  uruk_dylib *dylib;
  CHECK(argc == 2);
  context = LLVMContextCreate();
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  if (strcmp(argv[1], "linked") == 0) {
    linked(dylib);
  } else {
    refused(dylib);
  }
  OK(uruk_jit_destroy(jit));
  LLVMContextDispose(context);
  puts("llvm: ok");
  return 0;
}
