/* What is passed on RISC-V only: the static chain. */
long chained(long a) {
    long chain;
    __asm__ volatile("mv %0, t2" : "=r"(chain));
    return chain + a;
}
CALL(chained) {
    return __builtin_call_with_static_chain(function(5), (void *)0x7000) == 0x7005;
}
