// Defines the thread-local variables of tls.c.
#include "tls.h"
static int anchor = 77;
__thread int initialised = 1000;
__thread long zeroed;
__thread _Alignas(64) char aligned[128] = "aligned";
__thread int *pointer = &anchor;
static __thread short own = 9;
int bump_in_other(void) { return (initialised += 1) + own++; }
int *address_in_other(void) { return &initialised; }
