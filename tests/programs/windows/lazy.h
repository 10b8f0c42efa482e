// What a call may pass on x86-64 Windows, as memory.
struct state {
    unsigned long long general[9]; // rax rcx rdx rsi rdi r8 r9 r10 r11
    unsigned long long kept[6];    // rbx rbp r12 r13 r14 r15
    unsigned long long stack[8];   // above the return address: 32 bytes of the callee's own, then arguments
    unsigned long long vectors[16][2];
    unsigned control;
};

struct large {
    double values[5];
};

long long integers(int a, long long b, short c, unsigned d, long long e, signed char f);
double numbers(float a, double b, float c, double d, double e, float f);
double mixed(int a, double b, long long c, float d, int e, double f);
double variadic(int count, ...);
struct large structure(double a, struct large b, int c);
int incomplete(void);
void write_registers(void);
extern struct state seen;
#ifdef __clang__
typedef float vector __attribute__((vector_size(16)));
__attribute__((vectorcall)) vector vectors(vector a, double b, vector c, float d, vector e, vector f);
#endif

#define GENERAL(move)                                                                                                  \
    move(rax, 0) move(rcx, 8) move(rdx, 16) move(rsi, 24) move(rdi, 32) move(r8, 40) move(r9, 48) move(r10, 56)       \
        move(r11, 64) move(rbx, 72) move(rbp, 80) move(r12, 88) move(r13, 96) move(r14, 104) move(r15, 112)
#define ALL_VECTORS "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"
