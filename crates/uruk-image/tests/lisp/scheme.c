#include "runtime.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the test has written for this program: constants of compiled forms, and files for a script and for what it prints. */
extern const char constants[], script_file[], output_file[];

static FILE **output = &stdout;

static void print(value printed) {
    if ((printed & 7) == 0) fprintf(*output, "%" PRId64, AS_NUMBER(printed));
    else if (printed == NIL) fputs("()", *output);
    else if (printed == TRUE || printed == FALSE) fputs(printed == TRUE ? "#t" : "#f", *output);
    else if (printed == NOTHING) fputs("nothing", *output);
    else if (IS(printed, SYMBOL)) print(FIELD(printed, 0));
    else if (IS(printed, STRING)) fwrite(OBJECT(printed)->fields, 1, OBJECT(printed)->count, *output);
    else if (IS(printed, CLOSURE) || IS(printed, LAMBDA)) fputs("a function", *output);
    else if (IS(printed, VECTOR)) fputs("a vector", *output);
    else {
        /* A circle is not followed for ever. */
        int count = 0;
        fputc('(', *output);
        for (; IS(printed, PAIR) && count < 12; printed = CDR(printed), count++) {
            if (count) fputc(' ', *output);
            print(CAR(printed));
        }
        if (printed != NIL) fputs(count < 12 ? " . " : " ...", *output);
        if (printed != NIL && count < 12) print(printed);
        fputc(')', *output);
    }
}

void fail(const char *what, value about) {
    fprintf(*output, "error: %s", what);
    if (about != NIL) fputc(' ', *output), print(about);
    fputc('\n', *output);
    longjmp(machine->failed, 1);
}

/* Reading. */

value make_string(const char *bytes, uint64_t size) {
    value string = allocate(STRING, size, 8 + size);
    memcpy(OBJECT(string)->fields, bytes, size);
    return string;
}

value intern(const char *name, uint64_t size) {
    for (value symbol = symbols; symbol != NIL; symbol = FIELD(symbol, 2)) {
        struct object *known = OBJECT(FIELD(symbol, 0));
        if (known->count == size && memcmp(known->fields, name, size) == 0) return symbol;
    }
    push(make_string(name, size));
    value symbol = allocate(SYMBOL, 0, 32);
    FIELD(symbol, 0) = pop();
    FIELD(symbol, 1) = NOTHING;
    FIELD(symbol, 2) = symbols;
    return symbols = symbol;
}

static int skip(struct source *source) {
    while (source->next < source->end && strchr(" \n", *source->next)) source->next++;
    return source->next < source->end;
}

static value read_list(struct source *source) {
    if (!skip(source)) fail("a list does not end", NIL);
    if (*source->next == ')') return source->next++, NIL;
    push(read_value(source));
    push(read_list(source));
    return scheme_cons();
}

value read_value(struct source *source) {
    if (!skip(source)) fail("nothing to read", NIL);
    const char *start = source->next++;
    if (*start == '(') return read_list(source);
    if (*start == '\'') {
        push(intern("quote", 5));
        push(read_value(source));
        push(NIL);
        push(scheme_cons());
        return scheme_cons();
    }
    if (*start == '"') {
        while (source->next < source->end && *source->next != '"') source->next++;
        return make_string(start + 1, source->next++ - start - 1);
    }
    while (source->next < source->end && !strchr(" \n()", *source->next)) source->next++;
    uint64_t size = source->next - start;
    if (*start == '#') return size == 2 && start[1] == 't' ? TRUE : FALSE;
    char *end;
    int64_t number = strtoll(start, &end, 10);
    return end == source->next ? NUMBER(number) : intern(start, size);
}

/* Evaluating. `names` are pairs of a symbol and its value. All that is held here while something is allocated is on the stack. */

static value *place_of(value symbol, value names) {
    for (; names != NIL; names = CDR(names))
        if (CAR(CAR(names)) == symbol) return &CDR(CAR(names));
    return &FIELD(symbol, 1);
}

static value bind(value symbol, value bound, value names) {
    push(names);
    push(symbol);
    push(bound);
    value pair = scheme_cons();
    names = pop();
    push(pair);
    push(names);
    return scheme_cons();
}

static value evaluate_all(value forms, value names) {
    value result = NOTHING;
    for (; forms != NIL; forms = CDR(forms)) result = evaluate(CAR(forms), names);
    return result;
}

static value make_lambda(value parameters, value body, value names) {
    value lambda = allocate(LAMBDA, 0, 32);
    FIELD(lambda, 0) = parameters;
    FIELD(lambda, 1) = body;
    FIELD(lambda, 2) = names;
    return lambda;
}

static int is_form(value head, const char *name) {
    struct object *known = IS(head, SYMBOL) ? OBJECT(FIELD(head, 0)) : 0;
    return known && known->count == strlen(name) && memcmp(known->fields, name, known->count) == 0;
}

static value evaluate_in_place(value form, value names) {
    value head = CAR(form), rest = CDR(form);
    if (is_form(head, "quote")) return CAR(rest);
    if (is_form(head, "begin")) return evaluate_all(rest, names);
    if (is_form(head, "lambda")) return make_lambda(CAR(rest), CDR(rest), names);
    if (is_form(head, "if")) {
        value branches = CDR(rest);
        if (evaluate(CAR(rest), names) != FALSE) return evaluate(CAR(branches), names);
        return CDR(branches) == NIL ? NOTHING : evaluate(CAR(CDR(branches)), names);
    }
    if (is_form(head, "set!")) {
        value set = evaluate(CAR(CDR(rest)), names);
        *place_of(CAR(rest), names) = set;
        return NOTHING;
    }
    if (is_form(head, "define")) {
        value target = CAR(rest);
        int function = IS(target, PAIR);
        value defined = function ? make_lambda(CDR(target), CDR(rest), names) : evaluate(CAR(CDR(rest)), names);
        if (function) target = CAR(target);
        FIELD(target, 1) = defined;
        return target;
    }
    if (is_form(head, "let")) {
        value inner = names;
        for (value each = CAR(rest); each != NIL; each = CDR(each)) {
            push(inner);
            value bound = evaluate(CAR(CDR(CAR(each))), names);
            inner = bind(CAR(CAR(each)), bound, pop());
        }
        push(inner);
        value result = evaluate_all(CDR(rest), inner);
        pop();
        return result;
    }
    int64_t count = -1;
    for (; form != NIL; form = CDR(form), count++) push(evaluate(CAR(form), names));
    return scheme_apply(count);
}

value evaluate(value form, value names) {
    if (IS(form, SYMBOL)) {
        value found = *place_of(form, names);
        if (found == NOTHING) fail("nothing is called", form);
        return found;
    }
    if (!IS(form, PAIR)) return form;
    push(form);
    push(names);
    value result = evaluate_in_place(form, names);
    machine->top -= 2;
    return result;
}

/* Calls the function that lies below so many arguments on the stack, and pops all. */
value scheme_apply(int64_t count) {
    value *arguments = machine->top - count, function = arguments[-1], result;
    if (IS(function, CLOSURE)) {
        result = ((code *)FIELD(function, 0))(function, count, arguments);
    } else if (IS(function, LAMBDA)) {
        value names = FIELD(function, 2), parameters = FIELD(function, 0);
        for (int64_t number = 0; number < count && parameters != NIL; number++, parameters = CDR(parameters))
            names = bind(CAR(parameters), arguments[number], names);
        push(names);
        result = evaluate_all(FIELD(function, 1), names);
    } else {
        fail("no function is", function);
    }
    machine->top = arguments - 1;
    return result;
}

/* What compiled code calls besides. */

/* A closure with the captured values that are on the stack's top. */
value scheme_closure(code *function, int64_t count) {
    value closure = allocate(CLOSURE, count, 16 + 8 * count);
    FIELD(closure, 0) = (value)function;
    machine->top -= count;
    memcpy(&FIELD(closure, 1), machine->top, 8 * count);
    return closure;
}

value scheme_global(value symbol) {
    if (FIELD(symbol, 1) == NOTHING) fail("nothing is called", symbol);
    return FIELD(symbol, 1);
}

/* Functions in C. */

#define PRIMITIVE(name) static value name(value self, int64_t count, value *arguments)
#define BOOLEAN(condition) ((condition) ? TRUE : FALSE)

static value checked(value pair) {
    if (!IS(pair, PAIR)) fail("no pair is", pair);
    return pair;
}

PRIMITIVE(p_cons) { return push(arguments[0]), push(arguments[1]), scheme_cons(); }
PRIMITIVE(p_car) { return CAR(checked(arguments[0])); }
PRIMITIVE(p_cdr) { return CDR(checked(arguments[0])); }
PRIMITIVE(p_set_car) { return CAR(checked(arguments[0])) = arguments[1], NOTHING; }
PRIMITIVE(p_set_cdr) { return CDR(checked(arguments[0])) = arguments[1], NOTHING; }
PRIMITIVE(p_is_pair) { return BOOLEAN(IS(arguments[0], PAIR)); }
PRIMITIVE(p_is_null) { return BOOLEAN(arguments[0] == NIL); }
PRIMITIVE(p_is_same) { return BOOLEAN(arguments[0] == arguments[1]); }
PRIMITIVE(p_is_string) { return BOOLEAN(IS(arguments[0], STRING)); }
PRIMITIVE(p_add) { return arguments[0] + arguments[1]; }
PRIMITIVE(p_subtract) { return arguments[0] - arguments[1]; }
PRIMITIVE(p_multiply) { return AS_NUMBER(arguments[0]) * arguments[1]; }
PRIMITIVE(p_less) { return BOOLEAN((int64_t)arguments[0] < (int64_t)arguments[1]); }
PRIMITIVE(p_collect) { return scheme_collect(), NOTHING; }
PRIMITIVE(p_heap_bytes) { return NUMBER(heap_bytes()); }
PRIMITIVE(p_list) {
    value list = NIL;
    while (count--) push(arguments[count]), push(list), list = scheme_cons();
    return list;
}
PRIMITIVE(p_display) {
    for (int64_t number = 0; number < count; number++) print(arguments[number]);
    fputc('\n', *output);
    return NOTHING;
}
PRIMITIVE(p_string_append) {
    struct object *first = OBJECT(arguments[0]), *second = OBJECT(arguments[1]);
    value string = allocate(STRING, first->count + second->count, 8 + first->count + second->count);
    memcpy(OBJECT(string)->fields, first->fields, first->count);
    memcpy((char *)OBJECT(string)->fields + first->count, second->fields, second->count);
    return string;
}
PRIMITIVE(p_same_string) {
    struct object *first = OBJECT(arguments[0]), *second = OBJECT(arguments[1]);
    return BOOLEAN(first->count == second->count && memcmp(first->fields, second->fields, first->count) == 0);
}

static const struct {
    const char *name;
    code *function;
} primitives[] = {
    {"cons", p_cons}, {"car", p_car}, {"cdr", p_cdr}, {"set-car!", p_set_car}, {"set-cdr!", p_set_cdr},
    {"pair?", p_is_pair}, {"null?", p_is_null}, {"eq?", p_is_same}, {"=", p_is_same}, {"string?", p_is_string},
    {"+", p_add}, {"-", p_subtract}, {"*", p_multiply}, {"<", p_less}, {"collect", p_collect}, {"heap-bytes", p_heap_bytes},
    {"list", p_list}, {"display", p_display}, {"string-append", p_string_append}, {"string=?", p_same_string},
};

/* Entries for the test, and the program. */

void scheme_start(void) {
    start();
    for (unsigned number = 0; number < sizeof primitives / sizeof *primitives; number++) {
        push(scheme_closure(primitives[number].function, 0));
        value symbol = intern(primitives[number].name, strlen(primitives[number].name));
        FIELD(symbol, 1) = pop();
    }
}

/* Runs a compiled form, whose constants are the list of that number. Says whether it did not fail. */
int scheme_run(int64_t number, code *function) {
    if (setjmp(machine->failed)) return 0;
    struct source source = {constants, constants + strlen(constants)};
    while (number--) read_value(&source);
    push(read_value(&source));
    int64_t count = 0;
    for (value each = machine->top[-1]; each != NIL; each = CDR(each)) count++;
    value vector = allocate(VECTOR, count, 8 + 8 * count), each = pop();
    for (count = 0; each != NIL; each = CDR(each)) FIELD(vector, count++) = CAR(each);
    push(vector);
    push(scheme_closure(function, 1));
    scheme_apply(0);
    return 1;
}

static void answer(FILE *input) {
    static char text[1 << 14];
    static struct source source;
    start();
    source = (struct source){text, text + fread(text, 1, sizeof text, input)};
    if (setjmp(machine->failed)) machine->top = machine->stack;
    while (skip(&source)) {
        value result = evaluate(read_value(&source), NIL);
        if (result != NOTHING) print(result), fputc('\n', *output);
    }
}

/* What the program does, with files. */
void scheme_answer(void) {
    FILE *input = fopen(script_file, "r"), *printed = fopen(output_file, "w");
    output = &printed;
    answer(input);
    output = &stdout;
    fclose(input);
    fclose(printed);
}

int main(void) {
    answer(stdin);
    return 0;
}
