// Larger and defined versions of the common symbols of common.c.
int shared;
char grows[4000] __attribute__((aligned(64)));
int defined_elsewhere = 55;
double wide;
void set_in_other(void) {
    shared = 1;
    for (int i = 0; i < 4000; i++) grows[i] = (char)(i % 100);
    wide = 2.5;
}
long sum_in_other(void) {
    long sum = shared;
    for (int i = 0; i < 4000; i++) sum += grows[i];
    return sum;
}
