// Dies of a signal: whoever waits for the process must see it.
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    puts("before"), fflush(stdout);
    abort();
}
