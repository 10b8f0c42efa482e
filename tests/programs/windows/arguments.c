// Prints its name and arguments; the status is their number.
#include <stdio.h>

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
    putchar('\n');
    return argc;
}
