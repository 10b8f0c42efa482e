/* What is passed on x86-64 only. */
#include <immintrin.h>

long chained(long a) {
    long chain;
    __asm__ volatile("mov %%r10, %0" : "=r"(chain));
    return chain + a;
}
CALL(chained) {
    return __builtin_call_with_static_chain(function(5), (void *)0x7000) == 0x7005;
}

__attribute__((target("avx2"))) __m256i avx2(__m256i a, __m256d b, __m256i c) {
    return _mm256_add_epi64(_mm256_add_epi64(a, c), _mm256_castpd_si256(b));
}
__attribute__((target("avx2"))) CALL(avx2) {
    __m256i seen = function(_mm256_set_epi64x(1, 2, 3, 4), _mm256_castsi256_pd(_mm256_set1_epi64x(10)), _mm256_set1_epi64x(100));
    long words[4];
    memcpy(words, &seen, sizeof words);
    return words[0] == 114 && words[1] == 113 && words[2] == 112 && words[3] == 111;
}

__attribute__((target("avx512f"))) __m512i avx512(__m512i a, __m512i b, long c, __m512i d) {
    return _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(_mm512_set1_epi64(c), d));
}
__attribute__((target("avx512f"))) CALL(avx512) {
    __m512i seen = function(_mm512_set_epi64(1, 2, 3, 4, 5, 6, 7, 8), _mm512_set1_epi64(10), 100, _mm512_set1_epi64(1000));
    long words[8];
    memcpy(words, &seen, sizeof words);
    for (int i = 0; i < 8; i++)
        if (words[i] != 1118 - i)
            return 0;
    return 1;
}

/* The Windows convention: its own argument registers, 32 bytes above the return address that are the function's, and
   rsi, rdi and xmm6 to 15 belong to the caller. */
__attribute__((ms_abi)) double windows(long a, double b, long c, float d, long e, double f) {
    volatile long *home = (volatile long *)__builtin_frame_address(0) + 2;
    home[0] = home[1] = home[2] = home[3] = -1;
    return a == 1 && b == 2.5 && c == 3 && d == 4.5f && e == 5 && f == 6.5 ? 7.5 : 0;
}
__attribute__((ms_abi, noinline)) static int windows_caller(__typeof__(windows) *function) {
    register double low __asm__("xmm6") = 60, high __asm__("xmm15") = 150;
    register long source __asm__("rsi") = 11, destination __asm__("rdi") = 12;
    __asm__ volatile("" : "+x"(low), "+x"(high), "+r"(source), "+r"(destination));
    double seen = function(1, 2.5, 3, 4.5f, 5, 6.5);
    __asm__ volatile("" : "+x"(low), "+x"(high), "+r"(source), "+r"(destination));
    return seen == 7.5 && low == 60 && high == 150 && source == 11 && destination == 12;
}
CALL(windows) {
    return windows_caller(function);
}

__attribute__((ms_abi)) int windows_variadic(int count, ...) {
    __builtin_ms_va_list list;
    __builtin_ms_va_start(list, count);
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += i % 2 ? __builtin_va_arg(list, double) : __builtin_va_arg(list, int);
    __builtin_ms_va_end(list);
    return (int)(sum * 2);
}
CALL(windows_variadic) {
    return function(5, 1, 2.5, 3, 4.5, 5) == 32;
}
