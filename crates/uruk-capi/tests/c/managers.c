/* Managers of all sorts: defaults for what is not given, contexts, one object at a time, one callback at a time, four functions,
 * the library's own. */

#define _GNU_SOURCE
#include "linked.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

static const char *files[3];

struct counts {
  int allocated, deallocated, destroyed, contexts, live_contexts, inside, most_inside;
  /* How long an `allocate` waits for another thread's callback, until there was one; 0: not at all. */
  int patience;
  pthread_mutex_t lock;
  pthread_cond_t met;
};

/* A callback begins. Each takes the chance to meet one of another thread. */
static void come_in(struct counts *counts, int patience) {
  struct timespec until;
  CHECK(pthread_mutex_lock(&counts->lock) == 0);
  counts->inside++;
  if (counts->most_inside < counts->inside) {
    counts->most_inside = counts->inside;
    CHECK(pthread_cond_broadcast(&counts->met) == 0);
  }
  CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
  until.tv_sec += patience;
  while (patience != 0 && counts->most_inside < 2 && pthread_cond_timedwait(&counts->met, &counts->lock, &until) == 0) {
  }
  CHECK(pthread_mutex_unlock(&counts->lock) == 0);
}

static void go_out(struct counts *counts) {
  CHECK(pthread_mutex_lock(&counts->lock) == 0);
  counts->inside--;
  CHECK(pthread_mutex_unlock(&counts->lock) == 0);
}

static void no_counts(struct counts *counts) {
  memset(counts, 0, sizeof *counts);
  CHECK(pthread_mutex_init(&counts->lock, NULL) == 0 && pthread_cond_init(&counts->met, NULL) == 0);
}

static char *pages(uint64_t size) {
  char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(start != MAP_FAILED);
  return start;
}

struct context {
  struct counts *counts;
  char *start;
  uint64_t size;
};

static int32_t create_context(void *shared, const uruk_memory_request *request, void **created, char **message) {
  struct counts *counts = shared;
  struct context *context = calloc(1, sizeof *context);
  (void)request, (void)message;
  come_in(counts, 0);
  context->counts = counts;
  __atomic_add_fetch(&counts->contexts, 1, __ATOMIC_SEQ_CST);
  __atomic_add_fetch(&counts->live_contexts, 1, __ATOMIC_SEQ_CST);
  *created = context;
  go_out(counts);
  return 0;
}

static void destroy_context(void *created) {
  struct counts *counts = ((struct context *)created)->counts;
  come_in(counts, 0);
  __atomic_sub_fetch(&counts->live_contexts, 1, __ATOMIC_SEQ_CST);
  free(created);
  go_out(counts);
}

/* One mapping for each allocation, below 2 GiB apart from the others, as it happens. */
static int32_t allocate(void *created, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct context *context = created;
  uint64_t size = 0;
  (void)message;
  come_in(context->counts, __atomic_exchange_n(&context->counts->patience, 0, __ATOMIC_SEQ_CST));
  for (uint64_t i = 0; i < request->segment_count; i++) {
    size += (request->segments[i].size + 4095) / 4096 * 4096;
  }
  context->start = pages(size);
  context->size = size;
  size = 0;
  for (uint64_t i = 0; i < request->segment_count; i++) {
    CHECK(request->segments[i].alignment <= 4096);
    answers[i].working = context->start + size;
    answers[i].target = (uint64_t)(uintptr_t)answers[i].working;
    size += (request->segments[i].size + 4095) / 4096 * 4096;
  }
  __atomic_add_fetch(&context->counts->allocated, 1, __ATOMIC_SEQ_CST);
  go_out(context->counts);
  return 0;
}

static void deallocate(void *created, uint64_t allocation) {
  struct context *context = created;
  (void)allocation;
  come_in(context->counts, 0);
  munmap(context->start, context->size);
  __atomic_add_fetch(&context->counts->deallocated, 1, __ATOMIC_SEQ_CST);
  go_out(context->counts);
}

static void destroy(void *shared) {
  ((struct counts *)shared)->destroyed++;
}

static uruk_memory_manager *mappings(struct counts *counts, uint32_t flags) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = counts;
  callbacks.flags = flags;
  callbacks.create_context = create_context;
  callbacks.destroy_context = destroy_context;
  callbacks.allocate = allocate;
  callbacks.deallocate = deallocate;
  callbacks.destroy = destroy;
  OK(uruk_memory_manager_create(&callbacks, &manager));
  return manager;
}

static int call_main(uruk_jit *jit, const char *name, int argument) {
  uruk_dylib *dylib;
  OK(uruk_jit_main(jit, &dylib));
  return call(dylib, name, argument);
}

static void with_contexts(uint32_t flags, int allocations) {
  struct counts counts;
  uruk_memory_manager *manager;
  uruk_jit *jit;
  uruk_dylib *dylib;
  no_counts(&counts);
  manager = mappings(&counts, flags);
  jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
  CHECK(call_main(jit, "first", 5) == 5 + 1 + 2 + 3);
  CHECK(counts.allocated == allocations && counts.contexts == allocations && counts.live_contexts == allocations);
  OK(uruk_dylib_clear(dylib));
  OK(uruk_jit_quiesce(jit));
  CHECK(counts.deallocated == allocations && counts.live_contexts == 0 && counts.destroyed == 0);
  OK(uruk_jit_destroy(jit));
  CHECK(counts.destroyed == 1);
}

struct worker {
  pthread_t thread;
  uruk_jit *jit;
};

static void *work(void *argument) {
  struct worker *worker = argument;
  uruk_dylib *dylib;
  OK(uruk_jit_main(worker->jit, &dylib));
  for (int round = 0; round < 20; round++) {
    uruk_tracker *tracker;
    OK(uruk_tracker_create(dylib, &tracker));
    OK(uruk_dylib_add_object_files(dylib, tracker, files, 3));
    CHECK(call_main(worker->jit, "first", round) == round + 6);
    OK(uruk_tracker_remove(tracker));
    OK(uruk_tracker_dispose(tracker));
  }
  return NULL;
}

/* Four JITs on four threads have one manager, whose callbacks run at once unless it says that they must not: the first of them waits
 * for another, which comes, or does not while the first is inside. */
static void from_threads(uint32_t flags, int patience) {
  struct counts counts;
  struct worker workers[4];
  uruk_memory_manager *manager;
  no_counts(&counts);
  counts.patience = patience;
  manager = mappings(&counts, flags | URUK_MEMORY_ZEROED);
  for (int i = 0; i < 4; i++) {
    workers[i].jit = jit_with(manager);
    CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
  }
  OK(uruk_memory_manager_dispose(manager));
  for (int i = 0; i < 4; i++) {
    CHECK(pthread_join(workers[i].thread, NULL) == 0);
    OK(uruk_jit_destroy(workers[i].jit));
  }
  CHECK(counts.allocated == 80 && counts.deallocated == 80 && counts.live_contexts == 0 && counts.destroyed == 1);
  CHECK(counts.inside == 0 && (counts.most_inside == 1) == (flags == URUK_MEMORY_SERIALIZE));
}

struct pool {
  char *start;
  size_t used, protected_to;
  int code, data, constants, finalized, destroyed;
};

static uint8_t *from_pool(struct pool *pool, size_t size, uint32_t alignment) {
  size_t align = alignment < 4096 ? 4096 : alignment;
  pool->used = (pool->used + align - 1) / align * align + size;
  return (uint8_t *)pool->start + pool->used - size;
}

static uint8_t *code_section(void *context, size_t size, uint32_t alignment, uint32_t id, const char *name) {
  CHECK(strcmp(name, ".text") == 0 && id == 0);
  ((struct pool *)context)->code++;
  return from_pool(context, size, alignment);
}

static uint8_t *data_section(void *context, size_t size, uint32_t alignment, uint32_t id, const char *name, int32_t read_only) {
  struct pool *pool = context;
  CHECK(strcmp(name, read_only ? ".rodata" : ".data") == 0 && id == (read_only ? 1u : 2u));
  pool->data += !read_only;
  pool->constants += read_only;
  return from_pool(pool, size, alignment);
}

static int32_t finalize_pool(void *context, char **message) {
  struct pool *pool = context;
  if (pool->finalized++ == 1) {
    *message = uruk_message("the pool is final");
    return 1;
  }
  return mprotect(pool->start, pool->used, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void destroy_pool(void *context) {
  ((struct pool *)context)->destroyed++;
}

static void four_functions(void) {
  struct pool pool;
  uruk_memory_manager *manager;
  uruk_jit *jit;
  uruk_dylib *dylib, *other;
  uint64_t address;
  memset(&pool, 0, sizeof pool);
  pool.start = pages(1 << 20);
  FAILS(URUK_HALF_PAIR, "one of the four functions is NULL",
        uruk_memory_manager_create_sections(&pool, code_section, data_section, finalize_pool, NULL, &manager));
  OK(uruk_memory_manager_create_sections(&pool, code_section, data_section, finalize_pool, destroy_pool, &manager));
  jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
  CHECK(call_main(jit, "first", 5) == 11);
  CHECK(pool.code == 1 && pool.data == 1 && pool.constants == 1 && pool.finalized == 1);
  OK(uruk_jit_create_dylib(jit, "other", &other));
  OK(uruk_dylib_add_object_files(other, NULL, files + 2, 1));
  FAILS(URUK_CALLBACK, "the pool is final", uruk_lookup(other, "third", &address));
  OK(uruk_jit_destroy(jit));
  CHECK(pool.destroyed == 1);
}

static void stock(uint32_t flags, uint64_t start, uint64_t size, uint64_t lowest, uint64_t highest) {
  uruk_memory_options options;
  uruk_memory_manager *manager;
  uruk_memory_statistics statistics;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uint64_t address;
  OK(uruk_memory_options_init(&options, sizeof options));
  options.flags = flags;
  options.start = start;
  options.size = size;
  OK(uruk_memory_manager_create_stock(&options, &manager));
  jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, files, 3));
  CHECK(call_main(jit, "first", 5) == 11);
  OK(uruk_lookup(dylib, "first", &address));
  CHECK(lowest <= address && address < highest);
  OK(uruk_jit_memory_statistics(jit, &statistics));
  CHECK(statistics.live[0] != 0 && statistics.live[0] <= statistics.committed[0] && statistics.reservations == 1);
  OK(uruk_jit_destroy(jit));
}

static void stocks(void) {
  uruk_memory_options options;
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  struct counts counts;
  /* Others that map memory take it from the end of such a gap, and the start stays free. */
  uint64_t at = (uint64_t)(uintptr_t)pages(64 << 20);
  CHECK(munmap((void *)(uintptr_t)at, 64 << 20) == 0);
  stock(0, 0, 0, 0, UINT64_MAX);
  stock(URUK_STOCK_STRICT | URUK_STOCK_HUGE_PAGES, 0, 0, 0, UINT64_MAX);
  stock(URUK_STOCK_LOW, 0, 0, 0, (uint64_t)1 << 31);
  stock(URUK_STOCK_AT, at, 1 << 20, at, at + (1 << 20));
  OK(uruk_memory_options_init(&options, sizeof options));
  options.flags = URUK_STOCK_LOW | URUK_STOCK_AT;
  FAILS(URUK_INVALID, "two places", uruk_memory_manager_create_stock(&options, &manager));
  options.flags = 64;
  FAILS(URUK_INVALID, "unknown flags", uruk_memory_manager_create_stock(&options, &manager));
  /* A table without callbacks but the last is the library's memory, with a notice of its end. */
  no_counts(&counts);
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = &counts;
  callbacks.destroy = destroy;
  OK(uruk_memory_manager_create(&callbacks, &manager));
  OK(uruk_memory_manager_dispose(manager));
  CHECK(counts.destroyed == 1);
  OK(uruk_memory_manager_create_stock(NULL, &manager));
  OK(uruk_memory_manager_dispose(manager));
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  memcpy(files, argv + 1, sizeof files);
  with_contexts(0, 1);
  with_contexts(URUK_MEMORY_EACH_OBJECT, 3);
  with_contexts(URUK_MEMORY_HARDENED | URUK_MEMORY_ZEROED, 1);
  from_threads(0, 60);
  from_threads(URUK_MEMORY_SERIALIZE, 1);
  four_functions();
  stocks();
  puts("managers: ok");
  return 0;
}
