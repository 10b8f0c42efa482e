// Thread-local variables of each kind, defined in tls_other.c.
#pragma once
extern __thread int initialised;
extern __thread long zeroed;
extern __thread _Alignas(64) char aligned[128];
extern __thread int *pointer;
int bump_in_other(void);
int *address_in_other(void);
