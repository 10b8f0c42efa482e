/* JITs with memory of a manager, and calls of what they have linked. */
#ifndef LINKED_H
#define LINKED_H

#include "check.h"

/* A JIT whose memory is a manager's. */
static inline uruk_jit *jit_with(uruk_memory_manager *manager) {
  uruk_options options;
  uruk_jit *jit;
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  OK(uruk_jit_create(&options, &jit));
  return jit;
}

/* Calls a function of a dylib. */
static inline int call(uruk_dylib *dylib, const char *name, int argument) {
  uint64_t address;
  int (*function)(int);
  OK(uruk_lookup(dylib, name, &address));
  FUNCTION(int (*)(int), function, address);
  return function(argument);
}

#endif
