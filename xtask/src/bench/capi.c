/* What the C interface costs: `capi link stock|custom OBJECT…` links a program with the library's memory or with this program's, many
 * times; `capi lookup OBJECT` looks a function up that was found before. Prints JSON. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "segments.h"

#define ROUNDS 101
#define LOOKUPS 200000

static void must(uruk_status status) {
  char text[1000];
  if (status != URUK_OK) {
    uruk_last_message(text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
  }
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static int by_size(const void *one, const void *other) {
  double difference = *(const double *)one - *(const double *)other;
  return (0 < difference) - (difference < 0);
}

static double middle(double *samples, int count) {
  qsort(samples, count, sizeof *samples, by_size);
  return samples[count / 2];
}

/* One mapping, all of which is given to one batch at a time. */
#define ARENA_SIZE ((uint64_t)64 << 20)

struct arena {
  char *start;
  struct segments batch;
};

static int32_t span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  struct arena *arena = context;
  (void)placement, (void)message;
  *start = (uint64_t)(uintptr_t)arena->start;
  *end = *start + ARENA_SIZE;
  return 0;
}

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct arena *arena = context;
  (void)message;
  uint64_t used = 0;
  arena->batch.count = 0;
  for (uint64_t i = 0; i < request->segment_count; i++) {
    place(&arena->batch, &request->segments[i], arena->start + used, &answers[i]);
    used += (request->segments[i].size + 4095) / 4096 * 4096;
  }
  return ARENA_SIZE < used || mprotect(arena->start, used, PROT_READ | PROT_WRITE) != 0;
}

static int32_t finalize(void *context, uint64_t allocation, char **message) {
  struct arena *arena = context;
  (void)allocation, (void)message;
  return protect(&arena->batch);
}

static void deallocate(void *context, uint64_t allocation) {
  (void)context, (void)allocation;
}

static void link_all(int custom, const char *const *objects, size_t count) {
  static double samples[ROUNDS];
  static struct arena arena;
  arena.start = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (int round = 0; round < ROUNDS; round++) {
    uruk_options options;
    uruk_memory_callbacks callbacks;
    uruk_memory_manager *manager = NULL;
    uruk_jit *jit;
    uruk_dylib *program;
    uint64_t address;
    double start = now();
    must(uruk_options_init(&options, sizeof options));
    options.link_threads = 1;
    if (custom) {
      must(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
      callbacks.context = &arena;
      callbacks.span = span;
      callbacks.allocate = allocate;
      callbacks.finalize = finalize;
      callbacks.deallocate = deallocate;
      must(uruk_memory_manager_create(&callbacks, &manager));
    } else {
      must(uruk_memory_manager_create_stock(NULL, &manager));
    }
    options.memory_manager = manager;
    must(uruk_jit_create(&options, &jit));
    must(uruk_jit_main(jit, &program));
    must(uruk_dylib_add_object_files(program, NULL, objects, count));
    must(uruk_lookup(program, "main", &address));
    must(uruk_jit_destroy(jit));
    must(uruk_memory_manager_dispose(manager));
    samples[round] = now() - start;
  }
  printf("{\"link_us\":%.2f}\n", middle(samples, ROUNDS) / 1e3);
}

static void look_up(const char *object) {
  static double samples[ROUNDS];
  uruk_jit *jit;
  uruk_dylib *program;
  uint64_t address, sum = 0;
  must(uruk_jit_create(NULL, &jit));
  must(uruk_jit_main(jit, &program));
  must(uruk_dylib_add_object_files(program, NULL, &object, 1));
  for (int round = 0; round < ROUNDS; round++) {
    double start = now();
    for (int i = 0; i < LOOKUPS / ROUNDS; i++) {
      must(uruk_lookup(program, "cycle", &address));
      sum += address;
    }
    samples[round] = (now() - start) / (LOOKUPS / ROUNDS);
  }
  printf("{\"lookup_ns\":%.2f,\"sum\":%llu}\n", middle(samples, ROUNDS), (unsigned long long)sum);
  must(uruk_jit_destroy(jit));
}

int main(int argc, char **argv) {
  if (3 < argc && strcmp(argv[1], "link") == 0) {
    link_all(strcmp(argv[2], "custom") == 0, (const char *const *)argv + 3, argc - 3);
  } else if (argc == 3 && strcmp(argv[1], "lookup") == 0) {
    look_up(argv[2]);
  } else {
    fprintf(stderr, "usage: see the head of this source\n");
    return 1;
  }
  return 0;
}
