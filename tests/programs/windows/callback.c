// Wants to be called as threads begin and end.
#include <windows.h>

static void NTAPI called(void *module, DWORD reason, void *reserved) { (void)module, (void)reason, (void)reserved; }
__attribute__((section(".CRT$XLB"), used)) static PIMAGE_TLS_CALLBACK callback = called;

int main(void) { return 0; }
