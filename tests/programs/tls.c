// Thread-local storage of every model (the flags choose): values, addresses, alignment, in the first thread and in others,
// before and after threads exist; errno of libc as well.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "tls.h"

static __thread int here = 5;
static __thread struct { char pad[3]; int value; } inner = {"ab", 6};
static pthread_barrier_t barrier;

static void *work(void *argument) {
    intptr_t id = (intptr_t)argument, good = 1;
    good &= initialised == 1000 && zeroed == 0 && here == 5 && inner.value == 6 && *pointer == 77;
    good &= strcmp(aligned, "aligned") == 0 && (uintptr_t)aligned % 64 == 0;
    good &= address_in_other() == &initialised;
    initialised += (int)id, zeroed = id, here *= (int)id, errno = (int)id;
    pthread_barrier_wait(&barrier);
    good &= initialised == 1000 + id && zeroed == id && here == 5 * id && errno == id;
    good &= bump_in_other() == 1001 + id + 9 && bump_in_other() == 1002 + id + 10;
    return (void *)(good ? id * 10 : -1);
}

int main(void) {
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    initialised += 500;
    printf("main %d %ld %d %d %s\n", bump_in_other(), zeroed, here, inner.value, aligned);
    for (int round = 0; round < 2; round++) {
        pthread_barrier_init(&barrier, NULL, THREADS);
        for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)(i + 1));
        for (int i = 0; i < THREADS; i++) {
            void *result;
            pthread_join(threads[i], &result);
            printf("thread %d: %ld\n", i, (long)(intptr_t)result);
        }
    }
    printf("main %d %d %d\n", initialised, &initialised == address_in_other(), *pointer);
    return 0;
}
