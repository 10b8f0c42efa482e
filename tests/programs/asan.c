// An AddressSanitizer object: instrumented code runs, and the runtime knows which memory is poisoned.
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>

int global[10];
int main(void) {
    char *block = malloc(20);
    int local[4] = {1, 2, 3, 4}, sum = 0;
    for (volatile int i = 0; i < 4; i++) sum += local[i] + global[i];
    printf("sum %d\n", sum);
    printf("block %d, behind it %d\n", __asan_address_is_poisoned(block + 19), __asan_address_is_poisoned(block + 20));
    printf("behind the global %d\n", __asan_address_is_poisoned(global + 10));
    free(block);
    printf("freed %d\n", __asan_address_is_poisoned(block));
    return 0;
}
