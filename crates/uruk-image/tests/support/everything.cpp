// What images can have: exceptions, thread-local variables of all kinds, threads, pointers, functions that are chosen when they are
// loaded, initialisers, and handlers for the end. `reported` counts the last two.
#include <cstdlib>
#include <cstring>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
extern "C" long reported;
extern "C" int weak_absent(void) __attribute__((weak));
static std::string made = "made when it was loaded";
static thread_local std::string own = "own";
static __thread long plain = 5;
static int values[3] = {1, 2, 3};
int *inner = &values[1];
static long zeroes[10000];
static void gone() { reported += 100; }
__attribute__((constructor)) static void begin() { std::atexit(gone); reported += 1; }
__attribute__((destructor)) static void end() { reported += 10; }
static void thrower(int depth) { if (depth == 0) throw std::runtime_error("thrown"); thrower(depth - 1); }
static long first() { return 4; }
extern "C" long (*decide())() { return first; }
extern "C" long chosen() __attribute__((ifunc("decide")));
extern "C" long exceptions() {
    try { thrower(5); } catch (const std::exception &error) { return std::strlen(error.what()); }
    return -1;
}
extern "C" long threads() {
    own += " of this thread";
    std::string other;
    std::thread([&] { own += "!"; plain += 1; other = own; }).join();
    return other == "own!" && own == "own of this thread" && plain == 5;
}
extern "C" long pointers() { return *inner == 2 && made.size() == 23 && weak_absent == nullptr && stdin == *&stdin; }
extern "C" long zero() { long sum = 0; for (long value : zeroes) sum += value; zeroes[9999] = 1; return sum; }
extern "C" long choose() { return chosen(); }
extern "C" FILE **input() { return &stdin; }
