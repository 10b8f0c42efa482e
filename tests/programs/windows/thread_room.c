// Thread-local variables of more than 16 KiB.
#include <stdio.h>

__thread char many[20000];

int main(void) {
    for (unsigned i = 0; i < sizeof many; i++) many[i] = 1;
    int sum = 0;
    for (unsigned i = 0; i < sizeof many; i++) sum += many[i];
    printf("%d\n", sum);
    return 0;
}
