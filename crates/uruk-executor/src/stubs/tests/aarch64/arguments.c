/* What is passed on AArch64 only: the static chain and vectors, all of which arrive in registers. */
long chained(long a) {
    long chain;
    __asm__ volatile("mov %0, x18" : "=r"(chain));
    return chain + a;
}
CALL(chained) {
    return __builtin_call_with_static_chain(function(5), (void *)0x7000) == 0x7005;
}

typedef long vector __attribute__((vector_size(16)));
__attribute__((aarch64_vector_pcs)) vector vectors(vector a, vector b, double c, vector d, vector e, vector f, vector g, vector h) {
    return a + b * 2 + d * 3 + e * 4 + f * 5 + g * 6 + h * 7 + (vector){(long)c, (long)c};
}
__attribute__((noinline)) static int vector_caller(__typeof__(vectors) *function) {
    /* This convention leaves the caller the whole of v8 to v23. */
    register vector low __asm__("v8") = {81, 82}, high __asm__("v23") = {231, 232};
    __asm__ volatile("" : "+w"(low), "+w"(high));
    vector one = {1, 10}, seen = function(one, one, 1000, one, one, one, one, one);
    __asm__ volatile("" : "+w"(low), "+w"(high));
    return seen[0] == 1028 && seen[1] == 1280 && low[0] == 81 && low[1] == 82 && high[0] == 231 && high[1] == 232;
}
CALL(vectors) {
    return vector_caller(function);
}
