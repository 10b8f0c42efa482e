/* Memory of one's own: `arena OBJECT` links an object into an arena of the program's, calls its `compute`, and removes it again. */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uruk.h>

#define SIZE ((uint64_t)16 << 20)
#define PAGE ((uint64_t)4096)

/* All memory, given out from its start, which begins anew when nothing is left in it. */
struct arena {
  char *start;
  uint64_t used;
  int batches;
};

/* What was given for one request: the context of the callbacks that are about it. */
struct batch {
  struct arena *arena;
  uint64_t count;
  struct {
    void *start;
    uint64_t size;
    int protection;
  } segments[3];
};

/* Everything lies here, and so in reach of each other: no call needs a stub. */
static int32_t span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  struct arena *arena = context;
  (void)placement, (void)message;
  *start = (uint64_t)(uintptr_t)arena->start;
  *end = *start + SIZE;
  return 0;
}

static int32_t create_context(void *context, const uruk_memory_request *request, void **created, char **message) {
  struct batch *batch = calloc(1, sizeof *batch);
  if (batch == NULL || 3 < request->segment_count) {
    free(batch);
    *message = uruk_message("the arena cannot take that much");
    return 1;
  }
  batch->arena = context;
  *created = batch;
  return 0;
}

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct batch *batch = context;
  uint64_t i, used = batch->arena->used;
  for (i = 0; i < request->segment_count; i++) {
    const uruk_memory_segment *segment = &request->segments[i];
    uint64_t alignment = segment->alignment < PAGE ? PAGE : segment->alignment;
    used = (used + alignment - 1) / alignment * alignment;
    if (SIZE < used || SIZE - used < segment->size) {
      *message = uruk_message("the arena is full");
      return 1;
    }
    batch->segments[i].start = answers[i].working = batch->arena->start + used;
    batch->segments[i].size = segment->size;
    batch->segments[i].protection = PROT_READ | (segment->protection & URUK_PROTECTION_WRITE ? PROT_WRITE : 0) |
                                    (segment->protection & URUK_PROTECTION_EXECUTE ? PROT_EXEC : 0);
    answers[i].target = (uint64_t)(uintptr_t)answers[i].working;
    used += segment->size;
  }
  batch->count = request->segment_count;
  batch->arena->used = used;
  batch->arena->batches++;
  return 0;
}

/* All bytes are written. */
static int32_t finalize(void *context, uint64_t allocation, char **message) {
  struct batch *batch = context;
  uint64_t i;
  (void)allocation;
  for (i = 0; i < batch->count; i++) {
    if (mprotect(batch->segments[i].start, batch->segments[i].size, batch->segments[i].protection) != 0) {
      *message = uruk_message("the arena cannot be protected");
      return 1;
    }
  }
  return 0;
}

static void deallocate(void *context, uint64_t allocation) {
  struct batch *batch = context;
  uint64_t i;
  (void)allocation;
  for (i = 0; i < batch->count; i++) {
    mprotect(batch->segments[i].start, batch->segments[i].size, PROT_READ | PROT_WRITE);
  }
  if (--batch->arena->batches == 0) {
    batch->arena->used = 0;
  }
}

static void must(uruk_status status) {
  char text[1000];
  if (status != URUK_OK) {
    uruk_last_message(text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
  }
}

static uruk_jit *jit_in(struct arena *arena) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  uruk_options options;
  uruk_jit *jit;
  must(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.flags = URUK_MEMORY_SERIALIZE;
  callbacks.context = arena;
  callbacks.span = span;
  callbacks.create_context = create_context;
  callbacks.destroy_context = free;
  callbacks.allocate = allocate;
  callbacks.finalize = finalize;
  callbacks.deallocate = deallocate;
  must(uruk_memory_manager_create(&callbacks, &manager));
  must(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  must(uruk_jit_create(&options, &jit));
  must(uruk_memory_manager_dispose(manager));
  return jit;
}

int main(int argc, char **argv) {
  struct arena arena = {NULL, 0, 0};
  uruk_jit *jit;
  uruk_dylib *program;
  uint64_t address;
  int (*compute)(int);
  if (argc != 2) {
    fprintf(stderr, "usage: arena OBJECT\n");
    return 1;
  }
  arena.start = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena.start == MAP_FAILED) {
    perror("the arena");
    return 1;
  }
  jit = jit_in(&arena);
  must(uruk_jit_main(jit, &program));
  must(uruk_dylib_add_file(program, argv[1]));
  must(uruk_lookup(program, "compute", &address));
  memcpy(&compute, &address, sizeof compute);
  printf("compute(40) is %d, %s the arena\n", compute(40), address - (uint64_t)(uintptr_t)arena.start < SIZE ? "in" : "out of");
  must(uruk_dylib_clear(program));
  must(uruk_jit_quiesce(jit));
  printf("%d batches, %d bytes left\n", arena.batches, (int)arena.used);
  must(uruk_jit_destroy(jit));
  return 0;
}
