// pthread_exit and pthread_cancel unwind the program's frames: destructors and cleanup handlers run.
#include <cstdio>
#include <pthread.h>
#include <unistd.h>

struct Guard {
    const char *name;
    ~Guard() { std::printf("unwound %s\n", name); }
};
static pthread_barrier_t barrier;
static void *leaves(void *) {
    Guard guard{"pthread_exit"};
    pthread_exit(reinterpret_cast<void *>(5));
}
static void *waits(void *) {
    Guard guard{"pthread_cancel"};
    pthread_barrier_wait(&barrier);
    for (;;) pause();
}

int main() {
    pthread_t thread;
    void *result;
    pthread_create(&thread, nullptr, leaves, nullptr);
    pthread_join(thread, &result);
    std::printf("result %ld\n", reinterpret_cast<long>(result));
    pthread_barrier_init(&barrier, nullptr, 2);
    pthread_create(&thread, nullptr, waits, nullptr);
    pthread_barrier_wait(&barrier);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    std::printf("cancelled %d\n", result == PTHREAD_CANCELED);
    return 0;
}
