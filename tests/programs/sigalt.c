// Signals on an alternate stack: a stack overflow is caught there, in the first thread and in another.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static __thread sigjmp_buf target;
static __thread char *low, *high;
static void handler(int number, siginfo_t *info, void *context) {
    char here;
    (void)number, (void)info, (void)context;
    siglongjmp(target, &here >= low && &here < high ? 1 : 2);
}
static volatile int sink;
static int overflow(int n) {
    volatile char frame[4096];
    frame[n & 4095] = (char)n;
    sink = overflow(n + 1) + frame[n & 4095];
    return sink;
}
static void *work(void *name) {
    enum { SIZE = 64 << 10 };
    stack_t stack = {.ss_sp = malloc(SIZE), .ss_size = SIZE};
    low = stack.ss_sp, high = low + SIZE;
    sigaltstack(&stack, NULL);
    for (int i = 0; i < 2; i++) {
        int result = sigsetjmp(target, 1);
        if (result == 0) overflow(0);
        printf("%s: %s\n", (char *)name, result == 1 ? "on the alternate stack" : "wrong stack");
    }
    return NULL;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    pthread_t thread;
    sigaction(SIGSEGV, &action, NULL);
    work("first thread");
    pthread_create(&thread, NULL, work, "second thread");
    pthread_join(thread, NULL);
    return 0;
}
