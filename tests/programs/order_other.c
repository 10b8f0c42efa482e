// Initialisers of a second file, between those of the first.
#include <stdio.h>
__attribute__((constructor(105))) static void c105(void) { puts("other 105"); }
__attribute__((constructor(125))) static void c125(void) { puts("other 125"); }
__attribute__((constructor)) static void plain(void) { puts("other plain"); }
__attribute__((destructor(125))) static void d125(void) { puts("other ~125"); }
__attribute__((destructor)) static void dplain(void) { puts("other ~plain"); }
