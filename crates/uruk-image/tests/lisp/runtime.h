/* A small Scheme: what its values look like. The test's world says the same. */
#include <setjmp.h>
#include <stdint.h>

/* Three tag bits: 0 is a number, 1 an object, 2 one of these. */
typedef uint64_t value;
enum { NIL = 2, FALSE = 10, TRUE = 18, NOTHING = 26 };
enum kind { FREE, PAIR, SYMBOL, STRING, VECTOR, CLOSURE, LAMBDA };

struct object {
    uint8_t kind, mark;
    uint16_t unused;
    uint32_t count; /* of bytes, elements or captured values */
    value fields[];
};

/* Compiled functions and those written in C take themselves, and their arguments on the machine's stack. */
typedef value code(value self, int64_t count, value *arguments);

struct chunk {
    struct chunk *next;
    uint64_t used;
    char bytes[];
};

struct machine {
    value *top; /* of the stack; compiled code writes it */
    struct chunk *chunks;
    struct object *free[64]; /* by size, in units of 16 bytes */
    uint64_t allocated;      /* bytes since the last collection */
    value *stack;
    jmp_buf failed;
};

extern struct machine *machine;
extern value symbols;

#define NUMBER(number) ((value)(number) << 3)
#define AS_NUMBER(number) ((int64_t)(number) >> 3)
#define OBJECT(reference) ((struct object *)((reference) - 1))
#define IS(reference, what) (((reference) & 7) == 1 && OBJECT(reference)->kind == (what))
#define FIELD(reference, number) (OBJECT(reference)->fields[number])
#define CAR(pair) FIELD(pair, 0)
#define CDR(pair) FIELD(pair, 1)

/* The heap: marked from symbols and the stack, and swept. Objects stay where they are. */
void start(void); /* once, before anything is allocated */
value allocate(enum kind kind, uint32_t count, uint64_t size);
void push(value pushed);
value pop(void);
value scheme_cons(void); /* of the two on the stack's top */
void scheme_collect(void);
uint64_t heap_bytes(void);

/* Reading, printing and evaluating. */
struct source {
    const char *next, *end;
};
value intern(const char *name, uint64_t size);
value make_string(const char *bytes, uint64_t size);
value read_value(struct source *source);
value scheme_apply(int64_t count);
value evaluate(value form, value names);
_Noreturn void fail(const char *what, value about);
