// The order of initialisers and finalisers of two C files and one of assembly; initialisers get argc, argv and envp.
#include <stdio.h>

void old_constructor(void) { puts("ctors"); }
void old_constructor_100(void) { puts("ctors.65435 is priority 100"); }
void old_destructor(void) { puts("dtors"); }
void array_120(int argc, char **argv, char **envp) { printf("init_array.00120 %d %d\n", argc, argv != 0 && envp != 0); }
void array_plain(void) { puts("init_array"); }
void fini_120(void) { puts("fini_array.00120"); }
__attribute__((constructor(110))) static void c110(void) { puts("main 110"); }
__attribute__((constructor(130))) static void c130(void) { puts("main 130"); }
__attribute__((constructor)) static void plain(void) { puts("main plain"); }
__attribute__((destructor(110))) static void d110(void) { puts("main ~110"); }
__attribute__((destructor(130))) static void d130(void) { puts("main ~130"); }
__attribute__((destructor)) static void dplain(void) { puts("main ~plain"); }

int main(void) {
    puts("main");
    return 0;
}
