/* Several threads: they look things up in one JIT, which one of them destroys; and what a thread may still do at its end. */

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <sched.h>

enum { THREADS = 8, UNITS = 24, ROUNDS = 12 };

struct unit {
  int value, made, gone;
  uruk_name name;
  char text[16];
};

/* A program that threads have in common. */
struct shared {
  uruk_jit *jit;
  uruk_dylib *program;
  struct unit units[UNITS];
  uint64_t addresses[UNITS];
  int ended, running;
};

static const char *object;

static void make(void *context, uruk_responsibility *responsibility) {
  struct unit *unit = context;
  uruk_resolved resolved = {0, 0, 0};
  __atomic_add_fetch(&unit->made, 1, __ATOMIC_SEQ_CST);
  resolved.name = unit->name;
  OK(uruk_responsibility_write(responsibility, URUK_KIND_DATA, (const uint8_t *)&unit->value, sizeof unit->value,
                               sizeof unit->value, &resolved.address));
  OK(uruk_responsibility_resolve(responsibility, &resolved, 1));
  OK(uruk_responsibility_emit(responsibility, NULL, 0));
}

static void count(void *context) { __atomic_add_fetch((int *)context, 1, __ATOMIC_SEQ_CST); }

/* A JIT with an object, units that are made when they are asked for, and a listener that tells its end. */
static void set_up(struct shared *shared) {
  uruk_listener_callbacks listener;
  int i;
  memset(shared, 0, sizeof *shared);
  OK(uruk_jit_create(NULL, &shared->jit));
  OK(uruk_jit_main(shared->jit, &shared->program));
  OK(uruk_listener_callbacks_init(&listener, sizeof listener));
  listener.context = &shared->ended, listener.destroy = count;
  OK(uruk_jit_add_listener(shared->jit, &listener));
  OK(uruk_dylib_add_object_files(shared->program, NULL, &object, 1));
  for (i = 0; i < UNITS; i++) {
    struct unit *unit = &shared->units[i];
    uruk_definition definition = {0, 0};
    uruk_unit description;
    unit->value = 1000 + i;
    snprintf(unit->text, sizeof unit->text, "unit%d", i);
    OK(uruk_name_intern(shared->jit, unit->text, &unit->name));
    definition.name = unit->name;
    OK(uruk_unit_init(&description, sizeof description));
    description.context = unit, description.materialize = make;
    description.definitions = &definition, description.definition_count = 1;
    OK(uruk_dylib_define_unit(shared->program, NULL, &description));
  }
}

/* Each thread asks for all, from another one on, alone and together with its neighbour. */
static void *look_up(void *context) {
  struct shared *shared = context;
  int first = __atomic_fetch_add(&shared->running, 1, __ATOMIC_SEQ_CST) * 5, i;
  int (*compute)(int);
  uint64_t address;
  for (i = 0; i < UNITS; i++) {
    struct unit *one = &shared->units[(first + i) % UNITS], *two = &shared->units[(first + i + 1) % UNITS];
    const char *names[2] = {one->text, two->text};
    uint64_t addresses[2], none = 0;
    int *variable;
    OK(uruk_lookup(shared->program, one->text, &address));
    OK(uruk_lookup_all(shared->program, names, 2, 0, addresses));
    FUNCTION(int *, variable, addresses[1]);
    CHECK(addresses[0] == address && *variable == two->value);
    /* All threads are told the same. */
    if (!__atomic_compare_exchange_n(&shared->addresses[one - shared->units], &none, address, 0, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
      CHECK(none == address);
    }
    FAILS(URUK_MISSING, "nobody", uruk_lookup(shared->program, "nobody", &address));
  }
  OK(uruk_lookup(shared->program, "compute", &address));
  FUNCTION(int (*)(int), compute, address);
  CHECK(compute(40) == 42);
  return NULL;
}

static void one_jit(void) {
  struct shared shared;
  pthread_t threads[THREADS];
  int i;
  set_up(&shared);
  for (i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, look_up, &shared) == 0);
  for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  for (i = 0; i < UNITS; i++) CHECK(shared.units[i].made == 1);
  OK(uruk_jit_destroy(shared.jit));
  CHECK(shared.ended == 1);
}

/* A call either does what it does, or finds the JIT gone. */
static int goes_on(uruk_status status) {
  CHECK(status == URUK_OK || status == URUK_GONE);
  return status == URUK_OK;
}

static void *use_until_gone(void *context) {
  struct shared *shared = context;
  int number = __atomic_fetch_add(&shared->running, 1, __ATOMIC_SEQ_CST), i;
  for (i = 0;; i++) {
    uruk_dylib *dylib, *program;
    uruk_tracker *tracker;
    uint64_t address;
    char name[32];
    if (!goes_on(uruk_lookup(shared->program, shared->units[(number + i) % UNITS].text, &address))) break;
    snprintf(name, sizeof name, "dylib %d of %d", i, number);
    if (!goes_on(uruk_jit_create_dylib(shared->jit, name, &dylib))) break;
    if (!goes_on(uruk_tracker_create(dylib, &tracker))) break;
    if (!goes_on(uruk_dylib_add_object_files(dylib, tracker, &object, 1))) break;
    if (!goes_on(uruk_lookup(dylib, "compute", &address))) break;
    if (!goes_on(uruk_jit_main(shared->jit, &program))) break;
    if (!goes_on(uruk_dylib_remove(dylib))) break;
  }
  CHECK(uruk_last_status() == URUK_GONE);
  return NULL;
}

/* The JIT is destroyed while others use it: each is told so, and the last of them takes it along. */
static void destroyed_in_use(void) {
  int round, i;
  for (round = 0; round < ROUNDS; round++) {
    struct shared shared;
    pthread_t threads[THREADS];
    set_up(&shared);
    for (i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, use_until_gone, &shared) == 0);
    while (__atomic_load_n(&shared.units[round].made, __ATOMIC_SEQ_CST) == 0) sched_yield();
    OK(uruk_jit_destroy(shared.jit));
    for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(shared.ended == 1);
  }
}

static pthread_barrier_t inside, destroyed;

static int32_t wait_inside(void *context, const uruk_wanted *wanted, char **message) {
  uint64_t address;
  (void)context, (void)message;
  pthread_barrier_wait(&inside);
  pthread_barrier_wait(&destroyed);
  FAILS(URUK_GONE, "gone", uruk_lookup(wanted->dylib, "compute", &address));
  return 0;
}

static int32_t asked_afterwards(void *asked, const uruk_wanted *wanted, char **message) {
  uruk_symbol symbol = {"wanted", 77};
  (void)message;
  count(asked);
  /* The call that asks goes on, but nothing can be begun any more. */
  FAILS(URUK_GONE, "gone", uruk_dylib_define(wanted->dylib, &symbol, 1));
  return 0;
}

static void *ask(void *program) {
  uint64_t address;
  FAILS(URUK_MISSING, "wanted", uruk_lookup(program, "wanted", &address));
  return NULL;
}

/* The same at a moment that is known: between two generators of a look-up. */
static void destroyed_in_a_call(void) {
  struct shared shared;
  pthread_t thread;
  uruk_generator_callbacks generator;
  int asked = 0;
  set_up(&shared);
  OK(uruk_generator_callbacks_init(&generator, sizeof generator));
  generator.generate = wait_inside;
  OK(uruk_dylib_add_generator(shared.program, &generator));
  generator.generate = asked_afterwards, generator.context = &asked;
  OK(uruk_dylib_add_generator(shared.program, &generator));
  CHECK(pthread_barrier_init(&inside, NULL, 2) == 0 && pthread_barrier_init(&destroyed, NULL, 2) == 0);
  CHECK(pthread_create(&thread, NULL, ask, shared.program) == 0);
  pthread_barrier_wait(&inside);
  OK(uruk_jit_destroy(shared.jit));
  CHECK(shared.ended == 0);
  FAILS(URUK_GONE, "gone", uruk_jit_destroy(shared.jit));
  pthread_barrier_wait(&destroyed);
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(asked == 1 && shared.ended == 1);
}

static pthread_key_t at_end;

/* Called when what the library keeps for each thread is gone already. */
static void last_words(void *context) {
  struct shared *shared = context;
  uint64_t address = 0;
  char text[16] = "untouched";
  CHECK(uruk_last_status() == URUK_OK && uruk_error_last() == NULL);
  CHECK(uruk_last_message(text, sizeof text) == 0 && text[0] == 0);
  CHECK(uruk_lookup(NULL, "compute", &address) == URUK_NULL && uruk_last_status() == URUK_OK);
  OK(uruk_lookup(shared->program, "compute", &address));
  CHECK(address != 0);
  shared->running = 7;
}

static void *fail_and_end(void *context) {
  struct shared *shared = context;
  CHECK(pthread_setspecific(at_end, shared) == 0);
  FAILS(URUK_NULL, "uruk_dylib is wanted", uruk_lookup(NULL, "compute", shared->addresses));
  return NULL;
}

static void ending_threads(void) {
  struct shared shared;
  pthread_t thread;
  set_up(&shared);
  CHECK(pthread_key_create(&at_end, last_words) == 0);
  CHECK(pthread_create(&thread, NULL, fail_and_end, &shared) == 0);
  CHECK(pthread_join(thread, NULL) == 0 && shared.running == 7);
  CHECK(pthread_key_delete(at_end) == 0);
  OK(uruk_jit_destroy(shared.jit));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  object = argv[1];
  one_jit();
  destroyed_in_use();
  destroyed_in_a_call();
  ending_threads();
  puts("threads: ok");
  return 0;
}
