/* A memory manager of one's own: what it is asked, what it is told, and that the counts add up. */

#define _GNU_SOURCE
#include "check.h"
#include "segments.h"

#define ARENA_SIZE (64u << 20)

struct arena {
  char *start;
  size_t used;
  int allocated, finalized, abandoned, deallocated, destroyed;
  int fault;
  uint64_t last, objects, sections, code_sections, released, live;
  char object[256], dylib[64], target[64];
};

static struct segments batches[64];

static int32_t span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  struct arena *arena = context;
  (void)placement, (void)message;
  *start = (uint64_t)(uintptr_t)arena->start;
  *end = *start + ARENA_SIZE;
  return 0;
}

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct arena *arena = context;
  uruk_jit *none = NULL;
  CHECK(request->struct_size == sizeof *request && request->segment_size == sizeof *request->segments);
  /* What would wait for the linker is refused; what does not is not. */
  CHECK(uruk_jit_create(NULL, &none) == URUK_BUSY && none == NULL);
  CHECK(uruk_last_status() == URUK_BUSY);
  if (arena->fault == 1) {
    *message = uruk_message("the arena is closed");
    return 7;
  }
  arena->last = request->allocation % 64;
  arena->objects = request->object_count;
  if (request->object_count != 0) {
    snprintf(arena->object, sizeof arena->object, "%s", request->objects[0].name);
    snprintf(arena->dylib, sizeof arena->dylib, "%s", request->objects[0].dylib);
  }
  snprintf(arena->target, sizeof arena->target, "%s", request->target);
  CHECK(request->max_reach == 0x80000000u && request->code_model == URUK_CODE_MODEL_SMALL);
  arena->sections = arena->code_sections = 0;
  memset(&batches[arena->last], 0, sizeof batches[0]);
  for (uint64_t i = 0; i < request->segment_count; i++) {
    const uruk_memory_segment *segment = &request->segments[i];
    uint64_t align = segment->alignment < 4096 ? 4096 : segment->alignment;
    arena->used = (arena->used + align - 1) / align * align;
    place(&batches[arena->last], segment, arena->start + arena->used, &answers[i]);
    memset(answers[i].working, 0xaa, segment->size);
    arena->used += segment->size;
    arena->sections += segment->section_count;
    for (uint64_t j = 0; j < segment->section_count; j++) {
      const uruk_memory_section *section = &segment->sections[j];
      CHECK(section->offset + section->size <= segment->size && section->object < request->object_count);
      arena->code_sections += section->kind == URUK_KIND_CODE && strcmp(section->name, ".text") == 0;
    }
  }
  arena->allocated++;
  return 0;
}

static int32_t finalize(void *context, uint64_t allocation, char **message) {
  struct arena *arena = context;
  CHECK(allocation % 64 == arena->last);
  if (arena->fault == 2) {
    *message = uruk_message("the arena does not protect");
    return 1;
  }
  CHECK(protect(&batches[arena->last]) == 0);
  for (uint64_t i = 0; i < batches[arena->last].count; i++) {
    arena->live += batches[arena->last].at[i].size;
  }
  arena->finalized++;
  return 0;
}

static void unprotect(uint64_t allocation) {
  const struct segments *batch = &batches[allocation % 64];
  for (uint64_t i = 0; i < batch->count; i++) {
    CHECK(mprotect(batch->at[i].start, batch->at[i].size, PROT_READ | PROT_WRITE) == 0);
  }
}

static void abandon(void *context, uint64_t allocation) {
  ((struct arena *)context)->abandoned++;
  unprotect(allocation);
}

static void release(void *context, uint64_t allocation, const uruk_memory_piece *piece) {
  (void)allocation;
  ((struct arena *)context)->released += piece->size;
}

static void deallocate(void *context, uint64_t allocation) {
  ((struct arena *)context)->deallocated++;
  unprotect(allocation);
}

static void destroy(void *context) {
  ((struct arena *)context)->destroyed++;
}

static void open_arena(struct arena *arena) {
  memset(arena, 0, sizeof *arena);
  arena->start = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(arena->start != MAP_FAILED);
}

static uruk_jit *open_jit(struct arena *arena, uint32_t flags) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  uruk_options options;
  uruk_jit *jit;
  open_arena(arena);
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = arena;
  callbacks.flags = flags;
  callbacks.span = span;
  callbacks.allocate = allocate;
  callbacks.finalize = finalize;
  callbacks.abandon = abandon;
  callbacks.release = release;
  callbacks.deallocate = deallocate;
  callbacks.destroy = destroy;
  OK(uruk_memory_manager_create(&callbacks, &manager));
  /* The table was copied: nobody looks at this one again. */
  memset(&callbacks, 0xff, sizeof callbacks);
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_memory_manager_dispose(manager));
  CHECK(arena->destroyed == 0);
  return jit;
}

static const char *program;

static void runs(void) {
  struct arena arena;
  uruk_jit *jit = open_jit(&arena, URUK_MEMORY_HARDENED);
  uruk_dylib *main_dylib;
  uruk_tracker *tracker;
  uint64_t address;
  int (*compute)(int);
  OK(uruk_jit_main(jit, &main_dylib));
  OK(uruk_tracker_create(main_dylib, &tracker));
  OK(uruk_dylib_add_object_files(main_dylib, tracker, &program, 1));
  CHECK(arena.allocated == 0);
  OK(uruk_lookup(main_dylib, "compute", &address));
  CHECK((uint64_t)(uintptr_t)arena.start <= address && address < (uint64_t)(uintptr_t)arena.start + ARENA_SIZE);
  FUNCTION(int (*)(int), compute, address);
  CHECK(compute(40) == 42);
  CHECK(arena.allocated == 1 && arena.finalized == 1 && arena.objects == 1);
  CHECK(strcmp(arena.object, program) == 0 && strcmp(arena.dylib, "main") == 0);
  CHECK(strstr(arena.target, "-linux-gnu") != NULL && arena.code_sections == 1 && 2 < arena.sections);
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  CHECK(arena.deallocated == 1 && arena.released == arena.live);
  FAILS(URUK_MISSING, "compute", uruk_lookup(main_dylib, "compute", &address));
  OK(uruk_jit_destroy(jit));
  CHECK(arena.destroyed == 1 && arena.abandoned == 0);
  CHECK(arena.allocated == arena.finalized + arena.abandoned && arena.finalized == arena.deallocated);
  FAILS(URUK_GONE, "uruk_dylib is gone", uruk_lookup(main_dylib, "compute", &address));
  FAILS(URUK_GONE, "uruk_jit is gone", uruk_jit_destroy(jit));
  munmap(arena.start, ARENA_SIZE);
}

static void fails(int fault, const char *text, int abandoned) {
  struct arena arena;
  uruk_jit *jit = open_jit(&arena, 0);
  uruk_dylib *main_dylib;
  uint64_t address;
  arena.fault = fault;
  OK(uruk_jit_main(jit, &main_dylib));
  OK(uruk_dylib_add_object_files(main_dylib, NULL, &program, 1));
  FAILS(URUK_CALLBACK, text, uruk_lookup(main_dylib, "compute", &address));
  CHECK(arena.abandoned == abandoned && arena.finalized == 0 && arena.deallocated == 0);
  OK(uruk_jit_destroy(jit));
  CHECK(arena.destroyed == 1 && arena.allocated == abandoned);
  munmap(arena.start, ARENA_SIZE);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  runs();
  fails(1, "the arena is closed", 0);
  fails(2, "the arena does not protect", 1);
  puts("arena: ok");
  return 0;
}
