// IFUNC: called, taken the address of, stored in data, static and global, from the object that defines it and from another.
#include <stdio.h>

static int base = 40;
static volatile int capable = 1; // keeps the compiler from choosing
static int slow(int x) { return -x; }
static int fast(int x) { return base + x; }
static int (*resolve_global(void))(int) { return capable ? fast : slow; }
static int twice(int x) { return 2 * x; }
static int (*resolve_static(void))(int) { return capable ? twice : slow; }
int chosen(int) __attribute__((ifunc("resolve_global")));
static int hidden_choice(int) __attribute__((ifunc("resolve_static")));
int (*in_data)(int) = chosen;
int call_from_other(int);
int (*address_from_other(void))(int);

int main(void) {
    printf("%d %d %d\n", chosen(2), in_data(3), hidden_choice(4));
    printf("%d, same address %d %d\n", call_from_other(5), address_from_other() == chosen, in_data == chosen);
    return 0;
}
