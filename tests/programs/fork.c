// fork: the child calls functions, writes its own data and exits with a status; the parent's data stays as it was.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern int table[], first_in_child(int), first_in_parent(int);
static __thread int local = 3;
static void at_end(void) { printf("end of %s\n", local == 3 ? "parent" : "child"), fflush(stdout); }

int main(void) {
    int status = 0;
    atexit(at_end);
    for (int round = 0; round < 3; round++) {
        fflush(stdout);
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) {
            local = 30 + round;
            table[round] += 100;
            printf("child %d: %d %d\n", round, first_in_child(round), local);
            exit(round + 5);
        }
        if (waitpid(child, &status, 0) != child) return 2;
        printf("parent %d: exited %d with %d, %d %d\n", round, WIFEXITED(status), WEXITSTATUS(status), first_in_parent(round), local);
    }
    return 6;
}
