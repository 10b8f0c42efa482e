/* Memory managers of four functions that protect what they gave: answers that cannot be used, and batches that wait for each other. */

#define _GNU_SOURCE
#include "linked.h"
#include <pthread.h>
#include <sys/mman.h>

static const char *files[3];

/* A pool as MCJIT's usual one: what was given is protected by the next `finalize`, and not looked at again. */
struct strict {
  char *start;
  size_t used;
  struct {
    char *start;
    size_t size;
    int protection;
  } pending[64];
  int count, inside, finalized, mixed;
  /* What the next answer is to be. */
  enum { RIGHT, NOTHING, MISALIGNED, TWICE, LAST, FAR } fault;
  uint8_t *last;
};

static void one_at_a_time(struct strict *strict) {
  CHECK(__atomic_add_fetch(&strict->inside, 1, __ATOMIC_SEQ_CST) == 1);
}

static uint8_t *give(struct strict *strict, size_t size, uint32_t alignment, int protection) {
  uint8_t *place;
  one_at_a_time(strict);
  CHECK(alignment <= 4096 && strict->count < 64);
  place = (uint8_t *)strict->start + strict->used;
  strict->used += (size + 4095) / 4096 * 4096;
  switch (strict->fault) {
  case RIGHT: break;
  case NOTHING: place = NULL; break;
  case MISALIGNED: place += 1; break;
  case TWICE: place = strict->last == NULL ? place : strict->last; break;
  case LAST: place = (uint8_t *)(0 - (uintptr_t)alignment); break;
  case FAR: place = strict->last == NULL ? place : place + ((uint64_t)8 << 30); break;
  }
  strict->last = place;
  if (strict->fault == RIGHT) {
    strict->pending[strict->count].start = (char *)place;
    strict->pending[strict->count].size = size;
    strict->pending[strict->count++].protection = protection;
  }
  __atomic_sub_fetch(&strict->inside, 1, __ATOMIC_SEQ_CST);
  return place;
}

static uint8_t *strict_code(void *context, size_t size, uint32_t alignment, uint32_t id, const char *name) {
  (void)id, (void)name;
  return give(context, size, alignment, PROT_READ | PROT_EXEC);
}

static uint8_t *strict_data(void *context, size_t size, uint32_t alignment, uint32_t id, const char *name, int32_t read_only) {
  (void)id, (void)name;
  return give(context, size, alignment, read_only ? PROT_READ : PROT_READ | PROT_WRITE);
}

static int32_t strict_finalize(void *context, char **message) {
  struct strict *strict = context;
  int failed = 0, i;
  (void)message;
  one_at_a_time(strict);
  strict->mixed += 3 < strict->count;
  for (i = 0; i < strict->count; i++) {
    failed |= mprotect(strict->pending[i].start, strict->pending[i].size, strict->pending[i].protection);
  }
  strict->count = 0;
  strict->finalized++;
  __atomic_sub_fetch(&strict->inside, 1, __ATOMIC_SEQ_CST);
  return failed;
}

static void strict_destroy(void *context) { one_at_a_time(context); }

static uruk_jit *strict_jit(struct strict *strict) {
  uruk_memory_manager *manager;
  uruk_jit *jit;
  memset(strict, 0, sizeof *strict);
  strict->start = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(strict->start != MAP_FAILED);
  OK(uruk_memory_manager_create_sections(strict, strict_code, strict_data, strict_finalize, strict_destroy, &manager));
  jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  return jit;
}

static void link_second(void *none, uruk_responsibility *responsibility, uruk_status status, const char *message,
                        const uint64_t *addresses, size_t count) {
  static const size_t room = 1 << 16;
  char *bytes = malloc(room);
  FILE *object = fopen(files[1], "rb");
  (void)none, (void)message;
  CHECK(status == URUK_OK && count == 1 && addresses[0] != 0 && bytes != NULL && object != NULL);
  OK(uruk_responsibility_link(responsibility, files[1], (const uint8_t *)bytes, fread(bytes, 1, room, object)));
  fclose(object);
  free(bytes);
}

static void make_second(void *jit, uruk_responsibility *responsibility) {
  uruk_name first;
  OK(uruk_name_intern(jit, "first", &first));
  OK(uruk_responsibility_look_up(responsibility, &first, 1, URUK_LOOKUP_RESOLVED, link_second, NULL));
}

/* Of three objects that each need the next, the second is not linked before the first has its address: the second is final, and all that
 * was given protected, when the first has no bytes yet. */
static uruk_dylib *chain(uruk_jit *jit, int number) {
  uruk_definition definition = {0, URUK_DEFINITION_FUNCTION};
  uruk_unit unit;
  uruk_dylib *dylib;
  char name[32];
  snprintf(name, sizeof name, "chain %d", number);
  OK(uruk_jit_create_dylib(jit, name, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, &files[0], 1));
  OK(uruk_dylib_add_object_files(dylib, NULL, &files[2], 1));
  OK(uruk_name_intern(jit, "second", &definition.name));
  OK(uruk_unit_init(&unit, sizeof unit));
  unit.context = jit, unit.materialize = make_second, unit.definitions = &definition, unit.definition_count = 1;
  OK(uruk_dylib_define_unit(dylib, NULL, &unit));
  return dylib;
}

static void call_first(uruk_dylib *dylib) {
  uint64_t address;
  int (*first)(int);
  OK(uruk_lookup(dylib, "first", &address));
  FUNCTION(int (*)(int), first, address);
  CHECK(first(5) == 11);
}

static void *call_chain(void *dylib) {
  call_first(dylib);
  return NULL;
}

static void protected_early(void) {
  enum { CHAINS = 6 };
  struct strict strict;
  uruk_jit *jit = strict_jit(&strict);
  uruk_dylib *dylibs[CHAINS];
  pthread_t threads[CHAINS];
  int i;
  call_first(chain(jit, 0));
  CHECK(strict.finalized == 2 && strict.mixed != 0);
  for (i = 0; i < CHAINS; i++) dylibs[i] = chain(jit, i + 1);
  for (i = 0; i < CHAINS; i++) CHECK(pthread_create(&threads[i], NULL, call_chain, dylibs[i]) == 0);
  for (i = 0; i < CHAINS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  CHECK(2 < strict.finalized && strict.finalized <= 2 * (CHAINS + 1));
  OK(uruk_jit_destroy(jit));
  CHECK(strict.inside == 1 && munmap(strict.start, 16 << 20) == 0);
}

/* What the functions answer is looked at, as that of a table of callbacks is, and the JIT goes on. */
static void wrong_sections(void) {
  static const struct {
    uruk_status status;
    const char *text;
  } faults[] = {
      {URUK_OK, NULL},
      {URUK_MEMORY, "has no"},
      {URUK_BAD_ALIGNMENT, "not at a multiple of"},
      {URUK_OVERLAP, "lies in the code segment at"},
      {URUK_PAST_END, "beyond the last address"},
      {URUK_OUT_OF_REACH, "bytes apart"},
  };
  struct strict strict;
  uruk_jit *jit = strict_jit(&strict);
  uruk_dylib *dylib;
  uint64_t address;
  int fault;
  for (fault = NOTHING; fault <= FAR; fault++) {
    char name[16];
    snprintf(name, sizeof name, "fault %d", fault);
    OK(uruk_jit_create_dylib(jit, name, &dylib));
    OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
    strict.fault = fault, strict.last = NULL;
    FAILS(faults[fault].status, faults[fault].text, uruk_lookup(dylib, "first", &address));
    CHECK(strict.finalized == 0);
  }
  strict.fault = RIGHT;
  OK(uruk_jit_create_dylib(jit, "right", &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
  call_first(dylib);
  strict.fault = TWICE;
  OK(uruk_jit_create_dylib(jit, "again", &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
  FAILS(URUK_OVERLAP, "which has not been given back", uruk_lookup(dylib, "first", &address));
  OK(uruk_jit_destroy(jit));
  CHECK(munmap(strict.start, 16 << 20) == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  memcpy(files, argv + 1, sizeof files);
  protected_early();
  wrong_sections();
  puts("sections: ok");
  return 0;
}
