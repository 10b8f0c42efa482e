// setjmp and longjmp over frames of this program and of libc; sigsetjmp out of a handler.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf target;
static sigjmp_buf signal_target;
static int compare(const void *a, const void *b) { (void)a, (void)b; longjmp(target, 7); }
static void deep(int n) {
    if (n == 0) longjmp(target, 5);
    deep(n - 1);
}
static void handler(int number) { siglongjmp(signal_target, number); }

int main(void) {
    int numbers[] = {3, 1, 2};
    volatile int result;
    if ((result = setjmp(target)) == 0) deep(50);
    printf("deep %d\n", result);
    if ((result = setjmp(target)) == 0) qsort(numbers, 3, sizeof *numbers, compare);
    printf("qsort %d\n", result);
    signal(SIGFPE, handler);
    for (volatile int i = 0; i < 2; i++) {
        if ((result = sigsetjmp(signal_target, 1)) == 0) raise(SIGFPE);
        printf("signal %d\n", result == SIGFPE);
    }
    return 0;
}
