/* Answers of memory managers that cannot be used: each is told from the others, goes back, and harms nothing that was linked. */

#define _GNU_SOURCE
#include "steps.h"
#include <pthread.h>

static const char *program;

static void null_working(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps, (void)request;
  answers[0].working = NULL;
}

static void null_target(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps, (void)request;
  answers[0].target = 0;
}

static void nothing(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  memset(answers, 0, request->segment_count * sizeof *answers);
}

static void misaligned(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  CHECK(1 < request->segments[0].alignment);
  answers[0].target += request->segments[0].alignment / 2;
}

static void in_each_other(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  CHECK(1 < request->segment_count);
  answers[1] = answers[0];
}

static void written_in_each_other(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  CHECK(1 < request->segment_count);
  answers[1].working = answers[0].working;
}

static void beyond_the_end(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps, (void)request;
  answers[0].target = UINT64_MAX - 15;
}

static void written_beyond_the_end(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps, (void)request;
  answers[0].working = (void *)(uintptr_t)(UINT64_MAX - 15);
}

static void far_apart(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  CHECK(1 < request->segment_count && request->max_reach == (uint64_t)1 << 31);
  answers[1].target += (uint64_t)8 << 30;
}

struct bad {
  void (*spoil)(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers);
  uruk_status status;
  const char *text;
};

static void refused(const struct bad *bad, uint32_t flags) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_jit *jit;
  uint64_t address;
  callbacks.flags = flags;
  jit = jit_of(&callbacks);
  steps.spoil = bad->spoil;
  FAILS(bad->status, bad->text, uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.allocated == 1 && steps.abandoned == 1 && steps.ended == 1 && steps.finalized == 0);
  steps.spoil = NULL;
  CHECK(call(dylib_with(jit, "second", program, NULL), "compute", 40) == 42);
  close_steps(&steps, jit);
}

static void each_mistake(void) {
  static const struct bad cases[] = {
      {null_working, URUK_NULL, "without a working address"},
      {null_target, URUK_NULL, "without a target address"},
      {nothing, URUK_NULL, "without a working address"},
      {misaligned, URUK_BAD_ALIGNMENT, "not at a multiple of"},
      {in_each_other, URUK_OVERLAP, "lies in the code segment"},
      {written_in_each_other, URUK_OVERLAP, "lies in the code segment"},
      {beyond_the_end, URUK_PAST_END, "beyond the last address"},
      {written_beyond_the_end, URUK_PAST_END, "beyond the last address"},
      {far_apart, URUK_OUT_OF_REACH, "bytes apart"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    refused(&cases[i], 0);
    refused(&cases[i], URUK_MEMORY_ZEROED | URUK_MEMORY_HARDENED);
  }
}

/* Gives out again what the first batch has. */
static void again(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  struct segments *batch = &steps->batches[steps->allocated - 1];
  for (uint64_t i = 0; i < request->segment_count; i++) {
    answers[i].working = steps->batches[0].at[i].start;
    answers[i].target = (uint64_t)(uintptr_t)answers[i].working;
    batch->at[i].start = steps->batches[0].at[i].start;
  }
}

/* The same, and gives nothing back when that was refused. */
static void again_in_vain(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  again(steps, request, answers);
  steps->batches[steps->allocated - 1].count = 0;
}

static char first_number[64], second_number[64];

/* The last failure is that the second batch overlaps the first, and names both. */
static void names_both(const struct steps *steps, uint64_t first) {
  char text[1024];
  (void)steps;
  uruk_last_message(text, sizeof text);
  snprintf(first_number, sizeof first_number, "of allocation %llu,", (unsigned long long)first);
  CHECK(strstr(text, first_number) != NULL);
  CHECK(strstr(text, second_number) != NULL);
}

static void second_batch(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  snprintf(second_number, sizeof second_number, "for allocation %llu:", (unsigned long long)request->allocation);
  again_in_vain(steps, request, answers);
}

static void over_what_is_live(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_jit *jit = jit_of(&callbacks);
  uruk_tracker *tracker;
  uruk_dylib *first = dylib_with(jit, "first", program, &tracker);
  uint64_t address;
  CHECK(call(first, "compute", 40) == 42);
  steps.spoil = second_batch;
  FAILS(URUK_OVERLAP, "lies in the", uruk_lookup(dylib_with(jit, "second", program, NULL), "compute", &address));
  names_both(&steps, steps.numbers[0]);
  CHECK(steps.allocated == 2 && steps.abandoned == 1 && steps.finalized == 1 && steps.deallocated == 0);
  /* What was there first is unharmed, and goes as if nothing had been. */
  CHECK(call(first, "compute", 40) == 42);
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  CHECK(steps.deallocated == 1 && steps.released == steps.live && steps.ended == 2);
  /* Now the addresses are free. */
  steps.spoil = again;
  CHECK(call(dylib_with(jit, "third", program, NULL), "compute", 40) == 42);
  CHECK(steps.allocated == 3 && steps.finalized == 2);
  close_steps(&steps, jit);
}

static uruk_dylib *other;

static void *link_other(void *context) {
  struct steps *steps = (struct steps *)context;
  uint64_t address;
  steps->in_finalize = NULL;
  steps->spoil = second_batch;
  FAILS(URUK_OVERLAP, "lies in the", uruk_lookup(other, "compute", &address));
  names_both(steps, steps->numbers[0]);
  steps->spoil = NULL;
  return NULL;
}

/* While the first batch is made final, another thread links something. */
static void meanwhile(struct steps *steps) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, link_other, steps) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void over_what_is_in_flight(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 1);
  uruk_memory_manager *manager;
  uruk_jit *jits[2];
  OK(uruk_memory_manager_create(&callbacks, &manager));
  jits[0] = jit_with(manager);
  jits[1] = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  other = dylib_with(jits[1], "other", program, NULL);
  steps.in_finalize = meanwhile;
  CHECK(call(dylib_with(jits[0], "first", program, NULL), "compute", 40) == 42);
  CHECK(steps.allocated == 2 && steps.abandoned == 1 && steps.finalized == 1 && steps.ended == 1);
  OK(uruk_jit_destroy(jits[1]));
  close_steps(&steps, jits[0]);
}

/* Writes every batch in the same place, for different ones. */
static void written_in_one_place(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  for (uint64_t i = 0; i < request->segment_count; i++) {
    answers[i].target += ROOM * (uint64_t)steps->allocated;
  }
  steps->batches[steps->allocated - 1].count = 0;
  steps->used = 0;
}

/* Where something is written is free again once it is final, unless it stays there. */
static void over_what_was_written(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 0);
  uruk_memory_manager *manager;
  uruk_options options;
  uruk_jit *jit;
  uint64_t first, second;
  callbacks.release = NULL;
  OK(uruk_memory_manager_create(&callbacks, &manager));
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  options.flags = URUK_JIT_LINK_ONLY;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_memory_manager_dispose(manager));
  steps.spoil = written_in_one_place;
  OK(uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &first));
  OK(uruk_lookup(dylib_with(jit, "second", program, NULL), "compute", &second));
  CHECK(second == first + ROOM && steps.allocated == 2 && steps.finalized == 2);
  close_steps(&steps, jit);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  each_mistake();
  over_what_is_live();
  over_what_is_in_flight();
  over_what_was_written();
  puts("answers: ok");
  return 0;
}
