/* Memory managers whose callbacks fail, one step after the other, and links that fail otherwise: who is told, and how often. */

#define _GNU_SOURCE
#include "steps.h"

static const char *program;

struct expected {
  int fault;
  uruk_status status;
  const char *text;
  int created, allocated, abandoned;
};

/* What failed did so alone: something else is linked afterwards. */
static void goes_on(struct steps *steps, uruk_jit *jit, int allocated) {
  steps->fault = NO_FAULT;
  steps->spoil = NULL;
  CHECK(call(dylib_with(jit, "second", program, NULL), "compute", 40) == 42);
  CHECK(steps->allocated == allocated + 1 && steps->finalized == 1);
}

static void fails(const struct expected *expected, int contexts) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, contexts);
  uruk_jit *jit = jit_of(&callbacks);
  uruk_dylib *dylib = dylib_with(jit, "first", program, NULL);
  uint64_t address;
  steps.fault = expected->fault;
  FAILS(expected->status, expected->text, uruk_lookup(dylib, "compute", &address));
  CHECK(steps.created == (contexts ? expected->created : 0) && steps.ended == steps.created);
  CHECK(steps.allocated == expected->allocated && steps.abandoned == expected->abandoned);
  CHECK(steps.finalized == 0 && steps.deallocated == 0 && steps.released == 0);
  goes_on(&steps, jit, expected->allocated);
  close_steps(&steps, jit);
}

static void each_step(void) {
  static const struct expected cases[] = {
      {SPAN_FAILS, URUK_CALLBACK, "`span` of the memory manager: the span is not known", 0, 0, 0},
      {SPAN_ENDS_BEFORE_IT_STARTS, URUK_INVALID, "ends before it starts", 0, 0, 0},
      {ALLOCATE_FAILS, URUK_CALLBACK, "`allocate` of the memory manager: there is no memory", 1, 0, 0},
      {FINALIZE_FAILS, URUK_CALLBACK, "`finalize` of the memory manager: there is no protection", 1, 1, 1},
      {CREATE_FAILS, URUK_CALLBACK, "`create_context` of the memory manager: there is no context", 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fails(&cases[i], 1);
    if (cases[i].fault != CREATE_FAILS) {
      fails(&cases[i], 0);
    }
  }
}

static void no_address(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  answers[request->segment_count - 1].working = NULL;
}

/* A bad answer is abandoned, with its context. */
static void bad_answer(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_jit *jit = jit_of(&callbacks);
  uruk_dylib *dylib = dylib_with(jit, "first", program, NULL);
  uint64_t address;
  steps.spoil = no_address;
  FAILS(URUK_NULL, "working address", uruk_lookup(dylib, "compute", &address));
  CHECK(steps.allocated == 1 && steps.abandoned == 1 && steps.created == 1 && steps.ended == 1);
  goes_on(&steps, jit, 1);
  close_steps(&steps, jit);
}

/* Who has no `abandon` is told by `deallocate`. */
static void without_abandon(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_jit *jit;
  uint64_t address;
  callbacks.abandon = NULL;
  jit = jit_of(&callbacks);
  steps.fault = FINALIZE_FAILS;
  FAILS(URUK_CALLBACK, "there is no protection", uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.allocated == 1 && steps.deallocated == 1 && steps.finalized == 0 && steps.ended == 1);
  goes_on(&steps, jit, 1);
  close_steps(&steps, jit);
}

static int32_t refuse(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  struct steps *steps = (struct steps *)context;
  (void)object, (void)graph;
  if (steps->finalized != 0 || steps->abandoned != 0) {
    return 0;
  }
  *message = uruk_message("the plugin does not like it");
  return 1;
}

/* A link that fails for another reason than memory: before memory was asked for, and after. */
static void plugin_fails(int phase) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_jit *jit = jit_of(&callbacks);
  uruk_plugin_callbacks plugin;
  uint64_t address;
  OK(uruk_plugin_callbacks_init(&plugin, sizeof plugin));
  plugin.context = &steps;
  plugin.post_prune = phase == 0 ? refuse : NULL;
  plugin.post_allocation = phase == 1 ? refuse : NULL;
  plugin.pre_fixup = phase == 2 ? refuse : NULL;
  plugin.post_fixup = phase == 3 ? refuse : NULL;
  OK(uruk_jit_add_plugin(jit, &plugin));
  FAILS(URUK_CALLBACK, "does not like it", uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.allocated == (phase != 0) && steps.abandoned == steps.allocated && steps.finalized == 0);
  CHECK(steps.created == steps.allocated && steps.ended == steps.allocated && steps.deallocated == 0);
  close_steps(&steps, jit);
}

static void elsewhere(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  for (uint64_t i = 0; i < request->segment_count; i++) {
    answers[i].target += ROOM;
  }
}

/* The library cannot make final what is written elsewhere than it runs; what is written in place it can. */
static void default_finalize(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 0);
  uruk_jit *jit;
  uint64_t address;
  callbacks.finalize = NULL;
  callbacks.release = NULL;
  jit = jit_of(&callbacks);
  steps.spoil = elsewhere;
  FAILS(URUK_HALF_PAIR, "needs a `finalize` of its own", uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.allocated == 1 && steps.abandoned == 1 && steps.deallocated == 0);
  steps.spoil = NULL;
  CHECK(call(dylib_with(jit, "second", program, NULL), "compute", 40) == 42);
  CHECK(steps.allocated == 2 && steps.abandoned == 1);
  close_steps(&steps, jit);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  each_step();
  bad_answer();
  without_abandon();
  for (int phase = 0; phase < 4; phase++) {
    plugin_fails(phase);
  }
  default_finalize();
  puts("steps: ok");
  return 0;
}
