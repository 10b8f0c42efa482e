/* Calls of every shape through a function pointer, and the functions that check what arrives. A caller returns whether
   all was well; it is given the address to call, a stub that leads to the function of the same name. */
#include <stdarg.h>
#include <string.h>

#define CALL(name) int call_##name(__typeof__(name) *function)

long integers(long a, long b, long c, long d, long e, long f, long g, long h, int i) {
    return a == 1 && b == -2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8 && i == -9 ? 0x123456789abcdef : 0;
}
CALL(integers) {
    return function(1, -2, 3, 4, 5, 6, 7, 8, -9) == 0x123456789abcdef;
}

double doubles(double a, double b, float c, double d, double e, double f, double g, double h, double i, float j) {
    return a == .1 && b == .2 && c == .3f && d == .4 && e == .5 && f == .6 && g == .7 && h == .8 && i == .9 && j == 1 ? 2.5 : 0;
}
CALL(doubles) {
    return function(.1, .2, .3f, .4, .5, .6, .7, .8, .9, 1) == 2.5;
}

long double extended(long double a, double b, long double c, int d) {
    return a == 1.25L && b == 2 && c == -3.5L && d == 4 ? a + c : 0;
}
CALL(extended) {
    return function(1.25L, 2, -3.5L, 4) == -2.25L;
}

/* The registers a variable argument list is read from are saved only if the vector count says so. */
double variadic(int count, ...) {
    va_list list;
    va_start(list, count);
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += i % 2 ? va_arg(list, double) : va_arg(list, int);
    va_end(list);
    return sum;
}
CALL(variadic) {
    return function(5, 1, 2.5, 3, 4.5, 5) == 16 && function(0) == 0 &&
           function(18, 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1., 1, 1.) == 18;
}

struct large { long words[9]; };
struct large in_memory(int a, struct large b, double c) {
    b.words[0] += a;
    b.words[8] += (long)c;
    return b;
}
CALL(in_memory) {
    struct large given = {{1, 2, 3, 4, 5, 6, 7, 8, 9}};
    struct large expected = {{101, 2, 3, 4, 5, 6, 7, 8, 1009}};
    struct large seen = function(100, given, 1000);
    return !memcmp(&seen, &expected, sizeof seen);
}

struct mixed { double real; long whole; };
struct mixed in_registers(struct mixed a, struct mixed b) {
    return (struct mixed){a.real + b.real, a.whole - b.whole};
}
CALL(in_registers) {
    struct mixed seen = function((struct mixed){1.5, 7}, (struct mixed){2, 9});
    return seen.real == 3.5 && seen.whole == -2;
}
