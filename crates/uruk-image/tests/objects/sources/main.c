#include <stdio.h>
#include "shared.h"

int main(void) {
    printf("%d\n", run());
    return 0;
}
