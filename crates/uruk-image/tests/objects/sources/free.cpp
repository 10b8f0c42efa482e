// For systems whose headers are not here: exceptions, variables of threads, initialisers, inline functions, pointers.
typedef __SIZE_TYPE__ size_t;
extern "C" int printf(const char *, ...);
extern "C" int weak_function(int x) __attribute__((weak));
int weak_function(int x) { return x + 1; }
struct Base {
    virtual ~Base() {}
    virtual int area() const { return 0; }
};
template <int SIDE> struct Square : Base {
    int area() const override { return SIDE * SIDE; }
};
inline int &counter() {
    static int count = 100;
    return ++count;
}
extern "C" int other_function(int x);
extern "C" int other_values[3];
static int twice(int x) { return 2 * x; }
static int zeros[100];
static int (*const table[])(int) = {twice, weak_function, other_function};
struct Node {
    const Node *next;
    int *value;
    const char *name;
};
static const Node nodes[] = {{&nodes[1], &other_values[1], "first"}, {nullptr, &zeros[9], "second"}};
thread_local int own_thread = 5;
thread_local int zero_thread;
static double quarter(double x) { return x * 0.25 + 3.0; }

struct Said {
    int number;
    Said() : number(counter()) {}
    ~Said();
};
static Said said;
Said::~Said() { printf("unsaid %d\n", number); }

int again(int x);
struct Noisy {
    ~Noisy() { printf("unwound\n"); }
};
extern "C" int run(int start) {
    int sum = start;
    for (auto function : table) sum = 3 * sum + function(sum);
    for (const Node *at = nodes; at; at = at->next) sum += *at->value + at->name[0];
    for (int x = 0; x < 2; x++) {
        try {
            Noisy noisy;
            sum += again(x);
        } catch (int number) {
            sum += number;
        }
    }
    Square<3> square;
    const Base &base = square;
    switch (sum & 7) {
    case 0: printf("zero\n"); break;
    case 1: printf("one\n"); break;
    case 2: printf("two\n"); break;
    case 3: printf("three\n"); break;
    case 4: printf("four\n"); break;
    default: printf("many\n");
    }
    own_thread += 2;
    zero_thread += own_thread;
    printf("%d %d %d %d %d\n", sum, counter(), base.area(), zero_thread, (int)quarter(sum));
    return sum;
}
