/* LLVM's modules in a JIT, for programs that are built with LLVM's C interface. What compiles them is LLVM's plugin, whose version
 * has to understand the bitcode of the program's. */

#ifndef URUK_LLVM_H
#define URUK_LLVM_H

#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <uruk.h>

/* Adds a module as `uruk_dylib_add_ir` does. It stays the caller's, who may go on with it or dispose of it. `tracker` may be null, and so
 * may `name`: then messages call it by its identifier. */
static inline uruk_status uruk_dylib_add_llvm_module(uruk_dylib *dylib, uruk_tracker *tracker, const char *name,
                                                     LLVMModuleRef module) {
  size_t length;
  LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(module);
  const uint8_t *bytes = (const uint8_t *)LLVMGetBufferStart(bitcode);
  uruk_status status = uruk_dylib_add_ir(dylib, tracker, name ? name : LLVMGetModuleIdentifier(module, &length), bytes,
                                         LLVMGetBufferSize(bitcode));
  LLVMDisposeMemoryBuffer(bitcode);
  return status;
}

#endif
