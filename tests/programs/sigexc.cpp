// An exception thrown by a signal handler out of the instruction that faulted (compiled with -fnon-call-exceptions).
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <stdexcept>

struct Guard {
    ~Guard() { std::puts("unwound"); }
};
static void handler(int number) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    throw std::runtime_error(number == SIGSEGV ? "segment" : "arithmetic");
}
__attribute__((noinline)) static int read_from(volatile int *pointer) {
    Guard guard;
    return *pointer;
}
__attribute__((noinline)) static int divide(volatile int a, volatile int b) {
    Guard guard;
    return a / b;
}

int main() {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGFPE, &action, nullptr);
    for (int i = 0; i < 2; i++) {
        try { read_from(nullptr); } catch (const std::exception &e) { std::printf("caught %s\n", e.what()); }
        try { divide(1, 0); } catch (const std::exception &e) { std::printf("caught %s\n", e.what()); }
    }
    return 0;
}
