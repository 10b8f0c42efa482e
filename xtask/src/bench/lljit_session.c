// What operations of LLVM's LLJIT cost: the peer of crates/uruk/benches/session, whose lines it prints under the same names:
// name, median and best of some rounds, in nanoseconds each unless the name says otherwise.
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 5, LOOKUPS = 100000, FUNCTIONS = 10000, CALLS = 1000000, MANY = 1000000, QUERIED = 100000 };

typedef LLVMOrcSymbolStringPoolEntryRef Name;

// A JIT, a dylib of it that has no generator, and names for it.
typedef struct {
    LLVMOrcLLJITRef jit;
    LLVMOrcExecutionSessionRef session;
    LLVMOrcJITDylibRef dylib;
    size_t count;
    Name *names;
} Program;

typedef void Run(Program *);

static void check(LLVMErrorRef error) {
    if (!error) return;
    fprintf(stderr, "lljit_session: %s\n", LLVMGetErrorMessage(error));
    exit(1);
}

static double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (0 < difference) - (difference < 0);
}

static void write_symbol(char *text, size_t number) { sprintf(text, "a_function_of_the_program_%zu", number); }

static Program make(size_t count) {
    Program program = {.count = count};
    char text[64];
    check(LLVMOrcCreateLLJIT(&program.jit, NULL));
    program.session = LLVMOrcLLJITGetExecutionSession(program.jit);
    program.dylib = LLVMOrcExecutionSessionCreateBareJITDylib(program.session, "bare");
    program.names = malloc((count + 1) * sizeof *program.names);
    for (size_t i = 0; i < count; i++) {
        write_symbol(text, i);
        program.names[i] = LLVMOrcExecutionSessionIntern(program.session, text);
    }
    return program;
}

static void give_up(Program program) {
    for (size_t i = 0; i < program.count; i++) LLVMOrcReleaseSymbolStringPoolEntry(program.names[i]);
    free(program.names);
    check(LLVMOrcDisposeLLJIT(program.jit));
}

// Prints the cost of each of `count` operations that `run` does with what was prepared: a program that stays, or, if there is
// none, a new one of `symbols` names for each round, which is given up afterwards.
static void report(const char *name, size_t count, Program *stays, size_t symbols, Run *prepare, Run *run) {
    double rounds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        Program fresh = {0}, *program = stays;
        if (!program && symbols) {
            fresh = make(symbols);
            program = &fresh;
        }
        if (prepare) prepare(program);
        double start = now_ns();
        run(program);
        rounds[round] = (now_ns() - start) / count;
        if (fresh.jit) give_up(fresh);
    }
    qsort(rounds, ROUNDS, sizeof *rounds, by_value);
    printf("%s\t%.1f\t%.1f\n", name, rounds[ROUNDS / 2], rounds[0]);
    fflush(stdout);
}

// Defines some of the names, from the first given on, in one call.
static void define_some(Program *program, LLVMOrcJITDylibRef dylib, size_t first, size_t count, size_t address) {
    LLVMOrcCSymbolMapPair *pairs = malloc(count * sizeof *pairs);
    LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    for (size_t i = 0; i < count; i++) {
        LLVMOrcRetainSymbolStringPoolEntry(program->names[first + i]);
        pairs[i] = (LLVMOrcCSymbolMapPair){program->names[first + i], {address, flags}};
    }
    check(LLVMOrcJITDylibDefine(dylib, LLVMOrcAbsoluteSymbols(pairs, count)));
    free(pairs);
}

static void define_in_one_call(Program *program) { define_some(program, program->dylib, 0, program->count, 0x1000); }

static void define_one_by_one(Program *program) {
    for (size_t i = 0; i < program->count; i++) define_some(program, program->dylib, i, 1, 0x1000);
}

// What a look-up is answered with; `addresses` is null where nobody wants them.
typedef struct {
    LLVMOrcExecutorAddress *addresses;
    int failed;
} Answer;

static void answered(LLVMErrorRef error, LLVMOrcCSymbolMapPairs found, size_t count, void *context) {
    Answer *answer = context;
    if (error) {
        LLVMConsumeError(error);
        answer->failed = 1;
    }
    for (size_t i = 0; !error && answer->addresses && i < count; i++) answer->addresses[i] = found[i].Sym.Address;
}

// Looks names up in a dylib, and waits.
static Answer look_up(Program *program, LLVMOrcJITDylibRef dylib, LLVMOrcCLookupSetElement *wanted, size_t count,
                      LLVMOrcExecutorAddress *addresses) {
    Answer answer = {addresses, 0};
    LLVMOrcCJITDylibSearchOrderElement order = {dylib, LLVMOrcJITDylibLookupFlagsMatchAllSymbols};
    for (size_t i = 0; i < count; i++) LLVMOrcRetainSymbolStringPoolEntry(wanted[i].Name);
    LLVMOrcExecutionSessionLookup(program->session, LLVMOrcLookupKindStatic, &order, 1, wanted, count, answered, &answer);
    return answer;
}

static void look_up_all(Program *program, LLVMOrcJITDylibRef dylib, LLVMOrcExecutorAddress *addresses) {
    LLVMOrcCLookupSetElement *wanted = malloc(program->count * sizeof *wanted);
    for (size_t i = 0; i < program->count; i++)
        wanted[i] = (LLVMOrcCLookupSetElement){program->names[i], LLVMOrcSymbolLookupFlagsRequiredSymbol};
    if (look_up(program, dylib, wanted, program->count, addresses).failed) exit(3);
    free(wanted);
}

static void query_all(Program *program) { look_up_all(program, program->dylib, NULL); }

// A number below `count` that caches cannot guess.
static size_t scattered(size_t i, size_t count) { return i * 7919777 % count; }

static void look_up_names(Program *program) {
    LLVMOrcExecutorAddress address;
    for (size_t i = 0; i < LOOKUPS; i++) {
        LLVMOrcCLookupSetElement wanted = {program->names[scattered(i, program->count)], LLVMOrcSymbolLookupFlagsRequiredSymbol};
        if (look_up(program, program->dylib, &wanted, 1, &address).failed) exit(3);
    }
}

static void *look_up_names_in_thread(void *program) {
    look_up_names(program);
    return NULL;
}

static void look_up_from_two(Program *program) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, look_up_names_in_thread, program)) exit(4);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

// Interns each name as well; not by LLVMOrcLLJITLookup, which asks all dylibs of the JIT's order.
static void look_up_strings(Program *program) {
    LLVMOrcExecutorAddress address;
    char text[64];
    for (size_t i = 0; i < LOOKUPS; i++) {
        write_symbol(text, scattered(i, program->count));
        Name name = LLVMOrcExecutionSessionIntern(program->session, text);
        LLVMOrcCLookupSetElement wanted = {name, LLVMOrcSymbolLookupFlagsRequiredSymbol};
        if (look_up(program, program->dylib, &wanted, 1, &address).failed) exit(3);
        LLVMOrcReleaseSymbolStringPoolEntry(name);
    }
}

static void look_up_absent(Program *program) {
    Name absent = LLVMOrcExecutionSessionIntern(program->session, "absent");
    for (size_t i = 0; i < LOOKUPS; i++) {
        LLVMOrcCLookupSetElement wanted = {absent, LLVMOrcSymbolLookupFlagsWeaklyReferencedSymbol};
        if (look_up(program, program->dylib, &wanted, 1, NULL).failed) exit(3);
    }
    LLVMOrcReleaseSymbolStringPoolEntry(absent);
}

static void lookups(void) {
    const struct {
        size_t count;
        const char *by_name, *from_two, *by_string;
    } sizes[] = {
        {10000, "look-up by name, 10,000", "look-up by name from two threads, 10,000", "look-up by string, 10,000"},
        {MANY, "look-up by name, 1,000,000", "look-up by name from two threads, 1,000,000", "look-up by string, 1,000,000"},
    };
    for (int i = 0; i < 2; i++) {
        Program program = make(sizes[i].count);
        define_in_one_call(&program);
        query_all(&program);
        report(sizes[i].by_name, LOOKUPS, &program, 0, NULL, look_up_names);
        report(sizes[i].from_two, LOOKUPS, &program, 0, NULL, look_up_from_two);
        report(sizes[i].by_string, LOOKUPS, &program, 0, NULL, look_up_strings);
        give_up(program);
    }
    Program program = make(10000);
    LLVMOrcDefinitionGeneratorRef generator;
    define_in_one_call(&program);
    report("absent name", LOOKUPS, &program, 0, NULL, look_up_absent);
    check(LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&generator, 0, NULL, NULL));
    LLVMOrcJITDylibAddGenerator(program.dylib, generator);
    report("absent name with the process's symbols", LOOKUPS, &program, 0, NULL, look_up_absent);
    give_up(program);
}

static void make_jits(Program *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) give_up(make(0));
}

static void definitions(void) {
    report("absolute symbol defined, 10,000", 10000, NULL, 10000, NULL, define_one_by_one);
    report("absolute symbol defined in one call, 10,000", 10000, NULL, 10000, NULL, define_in_one_call);
    report("absolute symbol defined, 1,000,000", MANY, NULL, MANY, NULL, define_one_by_one);
    report("absolute symbol defined in one call, 1,000,000", MANY, NULL, MANY, NULL, define_in_one_call);
    report("query for 100,000 absolute symbols, each", QUERIED, NULL, QUERIED, define_in_one_call, query_all);
    report("JIT made", 100, NULL, 0, NULL, make_jits);
}

typedef size_t Body(size_t);

static size_t body(size_t number) { return number ^ 1; }

static LLVMOrcExecutorAddress stubs[FUNCTIONS];
static volatile size_t sink;

static void define_bodies(Program *program) { define_some(program, program->dylib, 0, program->count, (size_t)body); }

// The managers of stubs are never given up: the JIT's code would have to go first.
static void define_lazy(Program *program) {
    const char *triple = LLVMOrcLLJITGetTripleString(program->jit);
    LLVMOrcIndirectStubsManagerRef indirect = LLVMOrcCreateLocalIndirectStubsManager(triple);
    LLVMOrcLazyCallThroughManagerRef through;
    LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
    LLVMOrcCSymbolAliasMapPair *aliases = malloc(program->count * sizeof *aliases);
    LLVMOrcJITDylibRef main = LLVMOrcLLJITGetMainJITDylib(program->jit);
    check(LLVMOrcCreateLocalLazyCallThroughManager(triple, program->session, 0, &through));
    for (size_t i = 0; i < program->count; i++) {
        LLVMOrcRetainSymbolStringPoolEntry(program->names[i]);
        LLVMOrcRetainSymbolStringPoolEntry(program->names[i]);
        aliases[i] = (LLVMOrcCSymbolAliasMapPair){program->names[i], {program->names[i], flags}};
    }
    check(LLVMOrcJITDylibDefine(main, LLVMOrcLazyReexports(through, indirect, program->dylib, aliases, program->count)));
    look_up_all(program, main, stubs);
    free(aliases);
}

static void prepare_stubs(Program *program) {
    define_bodies(program);
    define_lazy(program);
}

static void prepare_called_stubs(Program *program) {
    prepare_stubs(program);
    sink = ((Body *)stubs[0])(0);
}

static void call_all(Program *program) {
    for (size_t i = 0; i < program->count; i++) sink = ((Body *)stubs[i])(1);
}

static void call_one(Program *program) {
    (void)program;
    for (size_t i = 0; i < CALLS; i++) sink = ((Body *)stubs[0])(i);
}

static void lazy(void) {
    report("lazy function defined and looked up", FUNCTIONS, NULL, FUNCTIONS, define_bodies, define_lazy);
    report("first call of a lazy function", FUNCTIONS, NULL, FUNCTIONS, prepare_stubs, call_all);
    report("later call of a lazy function", CALLS, NULL, FUNCTIONS, prepare_called_stubs, call_one);
}

static double resident(void) {
    FILE *file = fopen("/proc/self/statm", "r");
    long pages;
    if (!file || fscanf(file, "%*d %ld", &pages) != 1) exit(5);
    fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static void print_memory(const char *name, double before, Program *program) {
    double each = (resident() - before - program->count * sizeof *program->names) / program->count;
    printf("%s\t%.1f\t%.1f\n", name, each, each);
}

static void memory(void) {
    double before = resident();
    Program program = make(MANY);
    for (size_t i = 0; i < MANY; i += 1000) define_some(&program, program.dylib, i, 1000, 0x1000);
    print_memory("memory of an absolute symbol, bytes", before, &program);
    for (size_t i = 0; i < MANY; i++) {
        LLVMOrcCLookupSetElement wanted = {program.names[i], LLVMOrcSymbolLookupFlagsRequiredSymbol};
        if (look_up(&program, program.dylib, &wanted, 1, NULL).failed) exit(3);
    }
    print_memory("the same once it was looked up, bytes", before, &program);
    give_up(program);
}

int main(void) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    give_up(make(1));
    // Before the rest, since memory that was given back to the allocator would hide some of it.
    memory();
    lookups();
    definitions();
    lazy();
}
