// Counts primes with a sieve, on four threads, and shows that the C library, threads and exit handlers are all there.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, LIMIT = 4000000 };

static char composite[LIMIT];
static _Thread_local int found;

static void *count(void *part) {
    long number = (long)part;
    for (long n = number * (LIMIT / THREADS); n < (number + 1) * (LIMIT / THREADS); n++)
        if (n >= 2 && !composite[n]) found++;
    return (void *)(long)found;
}

static void goodbye(void) { puts("and the exit handler ran"); }

int main(int argc, char **argv) {
    atexit(goodbye);
    for (long n = 2; n * n < LIMIT; n++)
        if (!composite[n])
            for (long multiple = n * n; multiple < LIMIT; multiple += n) composite[multiple] = 1;
    pthread_t threads[THREADS];
    for (long part = 0; part < THREADS; part++) pthread_create(&threads[part], NULL, count, (void *)part);
    long total = 0;
    for (int part = 0; part < THREADS; part++) {
        void *primes;
        pthread_join(threads[part], &primes);
        total += (long)primes;
    }
    printf("%s: %ld primes below %d, counted by code that was never linked to a file\n", argc > 1 ? argv[1] : "hello",
           total, LIMIT);
    return total == 283146 ? 0 : 1;
}
