// Initialisers, handlers of the end, arguments, thread-local variables, streams, what a DLL exports as data.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

__thread int per_thread = 40;
static __thread char zero[100];
static char order[16];
static void note(char what) { order[strlen(order)] = what; }

__attribute__((constructor)) static void plain(void) { note('c'); }
__attribute__((constructor(200))) static void second(void) { note('b'); }
__attribute__((constructor(101))) static void first(void) { note('a'); }
__attribute__((destructor)) static void last(void) { puts("destructor"); }
static void registered(void) { puts("registered"); }

static DWORD WINAPI thread(void *result) {
    per_thread += 100;
    *(int *)result = per_thread + zero[99];
    return 5;
}

int main(int argc, char **argv) {
    int there = 0;
    DWORD status = 0;
    char line[32] = "";
    per_thread += 2;
    HANDLE handle = CreateThread(NULL, 0, thread, &there, 0, NULL);
    WaitForSingleObject(handle, INFINITE);
    GetExitCodeThread(handle, &status);
    printf("%s %d %d %lu\n", order, per_thread, there, status);
    for (int i = 1; i < argc; i++) printf("[%s]", argv[i]);
    if (fgets(line, sizeof line, stdin)) printf(" %s", line);
    char *memory = malloc(100000);
    memset(memory, 'x', 100000);
    printf("%c %s %.3f\n", memory[99999], getenv("NOWHERE") ? "set" : "unset", 3.25);
    free(memory);
    fprintf(stderr, "to standard error\n");
    atexit(registered);
    exit(7);
}
