// quick_exit runs its own handlers and no others.
#include <stdio.h>
#include <stdlib.h>

static void never(void) { puts("atexit handler: wrong"); }
static void quick(void) { puts("quick handler"), fflush(stdout); }
__attribute__((destructor)) static void after(void) { puts("destructor: wrong"), fflush(stdout); }

int main(void) {
    atexit(never);
    at_quick_exit(quick);
    quick_exit(22);
}
