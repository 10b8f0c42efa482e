// Common symbols: the largest size and alignment count; a definition takes the place of a common one. Compiled with -fcommon.
#include <stdint.h>
#include <stdio.h>

int shared;
char grows[8];
int defined_elsewhere;
double wide;
void set_in_other(void);
long sum_in_other(void);

int main(void) {
    set_in_other();
    printf("%d %d %d %.1f\n", shared, grows[7], defined_elsewhere, wide);
    shared = 3;
    printf("sum %ld, aligned %d\n", sum_in_other(), (int)((uintptr_t)grows % 64));
    return 0;
}
