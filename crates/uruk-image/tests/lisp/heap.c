#include "runtime.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16, LIMIT = 1 << 15, STACK = 1 << 16 };

/* Not there until the system starts. An image has none, and starts anew: its objects are its own, and are never swept. */
struct machine *machine;
value symbols = NIL;
static uint8_t colour = 1;

void start(void) {
    if (machine) return;
    machine = calloc(1, sizeof *machine);
    machine->top = machine->stack = malloc(STACK * sizeof(value));
}

static uint64_t size_of(const struct object *object) {
    static const uint8_t words[] = {[PAIR] = 2, [SYMBOL] = 3, [LAMBDA] = 3, [CLOSURE] = 1};
    uint64_t tail = object->kind == STRING ? object->count : 8 * (uint64_t)object->count;
    uint64_t fixed = object->kind == FREE ? 8 : 8 + 8 * words[object->kind];
    return (fixed + tail + 15) & ~UINT64_C(15);
}

static void mark(value marked) {
    /* The last field is followed without a call, as lists are long. */
    while ((marked & 7) == 1 && OBJECT(marked)->mark != colour) {
        struct object *object = OBJECT(marked);
        object->mark = colour;
        uint32_t first = object->kind == CLOSURE, last = first + object->count;
        if (object->kind == STRING) return;
        if (object->kind == PAIR) last = 2;
        if (object->kind == SYMBOL || object->kind == LAMBDA) last = 3;
        if (last == first) return;
        for (uint32_t field = first; field + 1 < last; field++) mark(object->fields[field]);
        marked = object->fields[last - 1];
    }
}

static void free_object(struct object *object, uint64_t size) {
    *object = (struct object){.kind = FREE, .count = (size - 8) / 8};
    memset(object->fields, 0, size - 8);
    if (size / 16 < 64) {
        object->fields[0] = (value)machine->free[size / 16];
        machine->free[size / 16] = object;
    }
}

void scheme_collect(void) {
    colour = 3 - colour;
    mark(symbols);
    for (value *slot = machine->stack; slot < machine->top; slot++) mark(*slot);
    memset(machine->free, 0, sizeof machine->free);
    for (struct chunk *chunk = machine->chunks; chunk; chunk = chunk->next)
        for (uint64_t at = 0, size; at < chunk->used; at += size) {
            struct object *object = (struct object *)(chunk->bytes + at);
            size = size_of(object);
            if (object->mark != colour) free_object(object, size);
        }
    machine->allocated = 0;
}

value allocate(enum kind kind, uint32_t count, uint64_t size) {
    if (LIMIT < machine->allocated) scheme_collect();
    size = (size + 15) & ~UINT64_C(15);
    machine->allocated += size;
    struct object *object = size / 16 < 64 ? machine->free[size / 16] : 0;
    if (object) {
        machine->free[size / 16] = (struct object *)object->fields[0];
    } else {
        struct chunk *chunk = machine->chunks;
        if (!chunk || CHUNK - sizeof *chunk - chunk->used < size) {
            uint64_t whole = CHUNK < size + sizeof *chunk ? size + sizeof *chunk : CHUNK;
            chunk = calloc(1, whole);
            chunk->next = machine->chunks;
            machine->chunks = chunk;
        }
        object = (struct object *)(chunk->bytes + chunk->used);
        chunk->used += size;
    }
    memset(object, 0, size);
    *object = (struct object){.kind = kind, .mark = colour, .count = count};
    return (value)object + 1;
}

void push(value pushed) {
    if (machine->top == machine->stack + STACK) fail("the stack is full", NIL);
    *machine->top++ = pushed;
}

value pop(void) { return *--machine->top; }

value scheme_cons(void) {
    value pair = allocate(PAIR, 0, 24);
    CDR(pair) = pop();
    CAR(pair) = pop();
    return pair;
}

uint64_t heap_bytes(void) {
    uint64_t sum = 0;
    for (struct chunk *chunk = machine->chunks; chunk; chunk = chunk->next) sum += chunk->used;
    return sum;
}
