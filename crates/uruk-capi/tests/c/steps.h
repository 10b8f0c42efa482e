/* A memory manager of which each step can be told to fail, and that notes what it was called for. */
#ifndef STEPS_H
#define STEPS_H

#include "linked.h"
#include "segments.h"

#define ROOM ((uint64_t)64 << 20)
#define BATCHES 16

enum { NO_FAULT, SPAN_FAILS, SPAN_ENDS_BEFORE_IT_STARTS, CREATE_FAILS, ALLOCATE_FAILS, FINALIZE_FAILS };

struct steps {
  /* Contexts of one request begin with this, too. */
  struct steps *self;
  int fault;
  /* Looks at a request, and may spoil the answer. */
  void (*spoil)(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers);
  void (*in_finalize)(struct steps *steps);
  char *start;
  uint64_t used, span_start, released, live;
  int created, ended, allocated, finalized, abandoned, deallocated, destroyed;
  /* By the order of their requests. */
  uint64_t numbers[BATCHES];
  struct segments batches[BATCHES];
  void *made[BATCHES];
};

static int32_t step_span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  struct steps *steps = ((struct steps *)context)->self;
  CHECK(context == steps && placement <= URUK_PLACEMENT_LOW);
  if (steps->fault == SPAN_FAILS) {
    *message = uruk_message("the span is not known");
    return 3;
  }
  *start = steps->span_start;
  *end = steps->fault == SPAN_ENDS_BEFORE_IT_STARTS ? *start - 1 : *start + ROOM;
  return 0;
}

static int32_t step_create(void *context, const uruk_memory_request *request, void **created, char **message) {
  struct steps *steps = ((struct steps *)context)->self;
  CHECK(context == steps && request->segment_count != 0 && steps->created < BATCHES);
  if (steps->fault == CREATE_FAILS) {
    *message = uruk_message("there is no context");
    return 1;
  }
  *created = steps->made[steps->created++] = malloc(sizeof steps);
  CHECK(*created != NULL);
  *(struct steps **)*created = steps;
  return 0;
}

static void step_end(void *created) {
  struct steps *steps = ((struct steps *)created)->self;
  steps->ended++;
  free(created);
}

static int32_t step_allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct steps *steps = ((struct steps *)context)->self;
  int batch = steps->allocated;
  CHECK(batch < BATCHES && (steps->created == 0) == (context == steps));
  if (steps->fault == ALLOCATE_FAILS) {
    *message = uruk_message("there is no memory");
    return 1;
  }
  for (uint64_t i = 0; i < request->segment_count; i++) {
    const uruk_memory_segment *segment = &request->segments[i];
    uint64_t align = segment->alignment < 4096 ? 4096 : segment->alignment;
    steps->used = (steps->used + align - 1) / align * align;
    place(&steps->batches[batch], segment, steps->start + steps->used, &answers[i]);
    steps->used += segment->size;
  }
  steps->numbers[batch] = request->allocation;
  steps->allocated++;
  if (steps->spoil != NULL) {
    steps->spoil(steps, request, answers);
  }
  return 0;
}

static int batch_of(const struct steps *steps, uint64_t allocation) {
  int batch = 0;
  while (batch < steps->allocated && steps->numbers[batch] != allocation) {
    batch++;
  }
  CHECK(batch < steps->allocated);
  return batch;
}

static int32_t step_finalize(void *context, uint64_t allocation, char **message) {
  struct steps *steps = ((struct steps *)context)->self;
  const struct segments *batch = &steps->batches[batch_of(steps, allocation)];
  if (steps->in_finalize != NULL) {
    steps->in_finalize(steps);
  }
  if (steps->fault == FINALIZE_FAILS) {
    *message = uruk_message("there is no protection");
    return 1;
  }
  CHECK(protect(batch) == 0);
  for (uint64_t i = 0; i < batch->count; i++) {
    steps->live += batch->at[i].size;
  }
  steps->finalized++;
  return 0;
}

/* Each batch goes once. */
static void give_back(struct steps *steps, uint64_t allocation) {
  int batch = batch_of(steps, allocation);
  for (uint64_t i = 0; i < steps->batches[batch].count; i++) {
    CHECK(mprotect(steps->batches[batch].at[i].start, steps->batches[batch].at[i].size, PROT_READ | PROT_WRITE) == 0);
  }
  steps->numbers[batch] = 0;
}

static void step_abandon(void *context, uint64_t allocation) {
  struct steps *steps = ((struct steps *)context)->self;
  give_back(steps, allocation);
  steps->abandoned++;
}

static void step_release(void *context, uint64_t allocation, const uruk_memory_piece *piece) {
  struct steps *steps = ((struct steps *)context)->self;
  batch_of(steps, allocation);
  steps->released += piece->size;
}

static void step_deallocate(void *context, uint64_t allocation) {
  struct steps *steps = ((struct steps *)context)->self;
  give_back(steps, allocation);
  steps->deallocated++;
}

static void step_destroy(void *context) {
  struct steps *steps = ((struct steps *)context)->self;
  CHECK(context == steps);
  steps->destroyed++;
}

/* All callbacks, with contexts for each request if that is wanted. */
static uruk_memory_callbacks open_steps(struct steps *steps, int contexts) {
  uruk_memory_callbacks callbacks;
  memset(steps, 0, sizeof *steps);
  steps->self = steps;
  steps->start = (char *)mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK((void *)steps->start != MAP_FAILED);
  steps->span_start = (uint64_t)(uintptr_t)steps->start;
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = steps;
  callbacks.span = step_span;
  if (contexts) {
    callbacks.create_context = step_create;
    callbacks.destroy_context = step_end;
  }
  callbacks.allocate = step_allocate;
  callbacks.finalize = step_finalize;
  callbacks.abandon = step_abandon;
  callbacks.release = step_release;
  callbacks.deallocate = step_deallocate;
  callbacks.destroy = step_destroy;
  return callbacks;
}

/* A JIT that is the only one to have a manager of these callbacks. */
static inline uruk_jit *jit_of(const uruk_memory_callbacks *callbacks) {
  uruk_memory_manager *manager;
  uruk_jit *jit;
  OK(uruk_memory_manager_create(callbacks, &manager));
  jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  return jit;
}

/* Another dylib that has an object. */
static uruk_dylib *dylib_with(uruk_jit *jit, const char *name, const char *file, uruk_tracker **tracker) {
  uruk_dylib *dylib;
  OK(uruk_jit_create_dylib(jit, name, &dylib));
  if (tracker != NULL) {
    OK(uruk_tracker_create(dylib, tracker));
  }
  OK(uruk_dylib_add_object_files(dylib, tracker == NULL ? NULL : *tracker, &file, 1));
  return dylib;
}

/* The end of a JIT that was the only one: whatever was given has come back, once, and in as many pieces as there were. */
static void close_steps(struct steps *steps, uruk_jit *jit) {
  OK(uruk_jit_destroy(jit));
  CHECK(steps->destroyed == 1 && steps->created == steps->ended && steps->released == steps->live);
  CHECK(steps->allocated == steps->abandoned + steps->deallocated && steps->finalized <= steps->deallocated);
  CHECK(munmap(steps->start, ROOM) == 0);
}

#endif
