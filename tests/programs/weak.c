// Undefined weak symbols are zero; a strong definition after a weak one wins; the first of two weak ones wins.
#include <stdio.h>

extern void absent_function(void) __attribute__((weak));
extern int absent_data __attribute__((weak));
void (*volatile stored)(void) = absent_function;
int *volatile stored_data = &absent_data;
__attribute__((weak)) int replaced(void) { return 1; }
__attribute__((weak)) int first_wins(void) { return 10; }
__attribute__((weak)) int weak_data = 100;
int from_other(void);

int main(void) {
    if (absent_function) absent_function();
    printf("absent %d %d %d\n", stored == NULL, stored_data == NULL, &absent_data == NULL);
    printf("replaced %d, first %d, data %d, other %d\n", replaced(), first_wins(), weak_data, from_other());
    return 0;
}
