// Functions that a static link finds without being told: libgcc's arithmetic, libc's non-shared part.
#include <complex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

static void prepare(void) { puts("prepare"); }
volatile unsigned long high = 0x123456789abcdef0, low = 0xfedcba9876543210, divisor = 1000000007;
volatile double value = 1.5;
volatile int power = 7;

int main(void) {
    struct stat a, b, c;
    unsigned __int128 wide = (unsigned __int128)high << 64 | low;
    __int128 negative = -(__int128)(wide >> 2);
    printf("udivti3 %lx, umodti3 %lx\n", (unsigned long)(wide / divisor), (unsigned long)(wide % divisor));
    printf("divti3 %ld, modti3 %ld\n", (long)(negative / (__int128)divisor), (long)(negative % (__int128)divisor));
    printf("float %.6e %.1f\n", (double)wide, (double)(float)negative);
    printf("popcount %d, parity %d\n", __builtin_popcountl(high), __builtin_parityl(low));
    printf("powi %.6f\n", __builtin_powi(value, power));
    double complex z = (value + 2 * I) * (value - I) / (2 + value * I);
    printf("complex %.4f %.4f\n", creal(z), cimag(z));
    printf("stat %d %d %d\n", stat("/", &a), lstat("/", &b), fstat(0, &c));
    printf("same %d, directory %d, mknod %d\n", a.st_ino == b.st_ino, S_ISDIR(a.st_mode), mknod("/", S_IFREG, 0));
    printf("atfork %d\n", pthread_atfork(prepare, NULL, NULL));
    return 0;
}
