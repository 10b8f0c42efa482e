// Reads what absolute.S defines, also by the address of an absolute symbol that another object defines.
#include <stdint.h>
#include <stdio.h>

extern char abs_negative[], abs_wide[];
extern uint64_t wide_value, size_value;
extern uint32_t size_small;
extern int read_small(void);
char *volatile wide_address = abs_wide;
char *volatile negative_address = abs_negative;

int main(void) {
    printf("%x %llx\n", (unsigned)read_small(), (unsigned long long)wide_value);
    printf("%llx %lld\n", (unsigned long long)(uintptr_t)wide_address, (long long)(intptr_t)negative_address);
    printf("%llu %u\n", (unsigned long long)size_value, size_small);
    return 0;
}
