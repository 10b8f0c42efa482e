// atexit handlers, destructors and handlers that register handlers run once, in reverse order, at exit from a function.
#include <stdio.h>
#include <stdlib.h>

static void first(void) { puts("registered first"); }
static void nested(void) { puts("registered by a handler"); }
static void second(void) { puts("registered second"), atexit(nested); }
static void with_argument(int status, void *text) { printf("on_exit %d %s\n", status, (char *)text); }
__attribute__((constructor)) static void before(void) { puts("constructor"); }
__attribute__((destructor)) static void after(void) { puts("destructor"); }
static void leave(void) { exit(21); }

int main(void) {
    atexit(first);
    on_exit(with_argument, "argument");
    atexit(second);
    leave();
    return 1;
}
