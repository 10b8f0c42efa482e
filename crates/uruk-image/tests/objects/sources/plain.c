/* What C can say to a linker: every kind of symbol, of section and of initial value. */
#include <stdio.h>
#include <stddef.h>
#include "shared.h"

__attribute__((common)) int common_one;
__attribute__((common)) long common_array[3];
__attribute__((weak)) int weak_value = 1;
__attribute__((weak)) int weak_only = 5;
__attribute__((weak)) extern int nowhere;
__attribute__((visibility("hidden"))) int hidden_value = 7;
__attribute__((visibility("protected"))) int protected_value = 8;
static int zeros[1000];
static __thread int own_thread = 11;
__thread int shared_thread = 12;
__thread int zero_thread[4];

static int twice(int x) { return 2 * x; }
static int thrice(int x) { return 3 * x; }
int square(int x) { return x * x; }
__attribute__((weak)) int weak_function(int x) { return x + 1; }

/* Pointers to functions and data, inside of this file and out, with distances. */
static int (*const table[])(int) = {twice, thrice, square, weak_function, other_function};
static const char *const words[] = {"one", "two", "three"};
struct node { const struct node *next; int *value; int *end; };
static int values[4] = {1, 2, 3, 4};
static const struct node nodes[3] = {
    {&nodes[1], &values[1], values + 4}, {&nodes[2], &other_values[2], other_values + 3}, {NULL, &nowhere, &common_one}};

static int first, second;
__attribute__((constructor(200))) static void late(void) { second = ++first * 10; }
__attribute__((constructor(150))) static void early(void) { first = 41; }
__attribute__((destructor)) static void at_the_end(void) { printf("the end\n"); fflush(stdout); }

#ifndef __riscv
static int chosen_one(int x) { return x + 100; }
static int (*choose(void))(int) { return chosen_one; }
int chosen(int x) __attribute__((ifunc("choose")));
#else
int chosen(int x) { return x + 100; }
#endif

__attribute__((noinline)) static const char *name_of(int x) {
    switch (x) {
    case 0: return "zero";
    case 1: return "one";
    case 2: return "two";
    case 3: return "three";
    case 4: return "four";
    case 5: return "five";
    default: return "many";
    }
}

__attribute__((section("named_things"), used, retain)) static int named[] = {1, 2, 3};
extern int __start_named_things[], __stop_named_things[];

int plain(void) {
    int sum = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) sum = 2 * sum + table[i]((int)i + 2);
    for (int i = 0; i < 7; i++) printf("%s ", name_of(i));
    printf("%d %s %s\n", sum, words[0], words[2]);
    int length = 0;
    for (const struct node *at = nodes; at; at = at->next) length += at->value ? *at->value + (int)(at->end - at->value) : 1000;
    printf("nodes %d %d %d\n", length, first, second);
    common_one += 3;
    common_array[2] = 9;
    zeros[999] = common_one;
    own_thread += 1;
    shared_thread += other_thread;
    zero_thread[3] += shared_thread;
    printf("%d %ld %d %d %d %d %d\n", common_one, common_array[2], zeros[999], weak_value, weak_only, hidden_value, protected_value);
    printf("%d %d %d %d\n", own_thread, shared_thread, zero_thread[3], chosen(1));
    printf("%d %d\n", (int)((size_t)aligned_function % 64), aligned_function());
    printf("%d named\n", (int)(__stop_named_things - __start_named_things));
    return sum;
}
