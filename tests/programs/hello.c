// Arguments, environment, standard input and the exit status reach the program and come back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

int main(int argc, char **argv) {
    char line[64] = "";
    int variables = 0;
    for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
    for (char **e = environ; *e; e++) variables += strncmp(*e, "URUK_TEST=", 10) == 0;
    if (fgets(line, sizeof line, stdin)) printf("input: %s", line);
    printf("variables: %d, argv ends: %d\n", variables, argv[argc] == NULL);
    fputs("to standard error\n", stderr);
    return 3 + argc;
}
