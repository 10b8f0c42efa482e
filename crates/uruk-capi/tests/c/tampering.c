/* A hardened table of callbacks that somebody alters: nothing in it is called any more, and whoever can be told is. */

#define _GNU_SOURCE
#include "steps.h"
#include <fcntl.h>
#include <unistd.h>

static const char *program;
static uruk_memory_callbacks original;
static uruk_memory_callbacks *table;

/* Where the library has its copy: a page that can only be read. */
static uruk_memory_callbacks *find_table(void) {
  uruk_memory_callbacks *found = NULL, copy;
  int memory = open("/proc/self/mem", O_RDONLY);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[1024], allowed[8], name[512];
  unsigned long long start, end, page;
  CHECK(0 <= memory && maps != NULL);
  while (fgets(line, sizeof line, maps) != NULL) {
    /* It is of no file, and so has no name. */
    if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %511s", &start, &end, allowed, name) != 3 || strcmp(allowed, "r--p") != 0) {
      continue;
    }
    for (page = start; page < end; page += 4096) {
      if (pread(memory, &copy, sizeof copy, (off_t)page) == (ssize_t)sizeof copy && memcmp(&copy, &original, sizeof copy) == 0) {
        CHECK(found == NULL);
        found = (uruk_memory_callbacks *)(uintptr_t)page;
      }
    }
  }
  CHECK(found != NULL && fclose(maps) == 0 && close(memory) == 0);
  return found;
}

/* What somebody would like to have called. */
static void stolen(void *context, uint64_t allocation) {
  (void)context, (void)allocation;
  fputs("a callback was called that was never given\n", stderr);
  abort();
}

static void stolen_end(void *context) {
  stolen(context, 0);
}

static int32_t stolen_finalize(void *context, uint64_t allocation, char **message) {
  (void)message;
  stolen(context, allocation);
  return 0;
}

static void alter(void) {
  CHECK(mprotect(table, 4096, PROT_READ | PROT_WRITE) == 0);
  table->finalize = stolen_finalize;
  table->deallocate = table->abandon = stolen;
  table->destroy = stolen_end;
}

static void alter_in_allocate(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps, (void)request, (void)answers;
  alter();
}

static uruk_memory_manager *manager_of(struct steps *steps, int contexts) {
  uruk_memory_manager *manager;
  original = open_steps(steps, contexts);
  original.flags = URUK_MEMORY_HARDENED;
  OK(uruk_memory_manager_create(&original, &manager));
  table = find_table();
  return manager;
}

/* The next report is that a callback was not called, for an allocation if it is for one. */
static void reported(uruk_jit *jit, const char *callback, uint64_t allocation) {
  uruk_error *report;
  char text[128];
  OK(uruk_jit_take_report(jit, &report));
  CHECK(report != NULL && uruk_error_status(report) == URUK_TAMPERED);
  snprintf(text, sizeof text, "`%s` of the memory manager was not called for allocation %llu: ", callback, (unsigned long long)allocation);
  CHECK(strncmp(uruk_error_message(report), text, strlen(text)) == 0 && strstr(uruk_error_message(report), "were altered") != NULL);
  OK(uruk_error_dispose(report));
}

static void nothing_reported(uruk_jit *jit) {
  uruk_error *report;
  OK(uruk_jit_take_report(jit, &report));
  CHECK(report == NULL);
}

/* What was altered and put right before anybody looked is as it was. */
static void put_right(void) {
  struct steps steps;
  uruk_memory_manager *manager = manager_of(&steps, 1);
  uruk_jit *jit = jit_with(manager);
  OK(uruk_memory_manager_dispose(manager));
  CHECK(call(dylib_with(jit, "first", program, NULL), "compute", 40) == 42);
  alter();
  *table = original;
  CHECK(call(dylib_with(jit, "second", program, NULL), "compute", 40) == 42);
  nothing_reported(jit);
  close_steps(&steps, jit);
}

/* Nothing was ever allocated. */
static void before_a_link(void) {
  struct steps steps;
  uruk_memory_manager *manager = manager_of(&steps, 1);
  uruk_jit *jit = jit_with(manager);
  uint64_t address;
  OK(uruk_memory_manager_dispose(manager));
  alter();
  FAILS(URUK_TAMPERED, "were altered", uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.created == 0 && steps.allocated == 0);
  nothing_reported(jit);
  FAILS(URUK_TAMPERED, "`destroy` of the memory manager was not called", uruk_jit_destroy(jit));
  CHECK(steps.destroyed == 0 && munmap(steps.start, ROOM) == 0);
  FAILS(URUK_GONE, "uruk_jit is gone", uruk_jit_destroy(jit));
}

/* What was allocated cannot be made final, nor be abandoned. */
static void in_a_link(int contexts) {
  struct steps steps;
  uruk_memory_manager *manager = manager_of(&steps, contexts);
  uruk_jit *jit = jit_with(manager);
  uint64_t address;
  steps.spoil = alter_in_allocate;
  FAILS(URUK_TAMPERED, "were altered", uruk_lookup(dylib_with(jit, "first", program, NULL), "compute", &address));
  CHECK(steps.allocated == 1 && steps.finalized == 0 && steps.abandoned == 0 && steps.ended == 0);
  reported(jit, "abandon", steps.numbers[0]);
  if (contexts) {
    reported(jit, "destroy_context", steps.numbers[0]);
    free(steps.made[0]);
  }
  nothing_reported(jit);
  OK(uruk_jit_destroy(jit));
  FAILS(URUK_TAMPERED, "`destroy` of the memory manager was not called", uruk_memory_manager_dispose(manager));
  CHECK(steps.destroyed == 0 && munmap(steps.start, ROOM) == 0);
}

/* What is live cannot be given back: each allocation is one of the counts or one of the reports. */
static void after_links(int contexts) {
  struct steps steps;
  uruk_memory_manager *manager = manager_of(&steps, contexts);
  uruk_jit *jit = jit_with(manager);
  uruk_tracker *trackers[3];
  OK(uruk_memory_manager_dispose(manager));
  CHECK(call(dylib_with(jit, "first", program, &trackers[0]), "compute", 40) == 42);
  CHECK(call(dylib_with(jit, "second", program, &trackers[1]), "compute", 40) == 42);
  CHECK(call(dylib_with(jit, "third", program, &trackers[2]), "compute", 40) == 42);
  OK(uruk_tracker_remove(trackers[0]));
  OK(uruk_jit_quiesce(jit));
  CHECK(steps.allocated == 3 && steps.finalized == 3 && steps.deallocated == 1);
  alter();
  OK(uruk_tracker_remove(trackers[1]));
  OK(uruk_jit_quiesce(jit));
  reported(jit, "deallocate", steps.numbers[1]);
  if (contexts) {
    reported(jit, "destroy_context", steps.numbers[1]);
  }
  nothing_reported(jit);
  /* The last is told of by the JIT's end. */
  FAILS(URUK_TAMPERED, "`deallocate`", uruk_jit_destroy(jit));
  {
    char text[1024];
    uruk_last_message(text, sizeof text);
    CHECK(strstr(text, "`destroy` of the memory manager was not called") != NULL);
    CHECK((strstr(text, "`destroy_context`") != NULL) == contexts);
  }
  CHECK(steps.deallocated == 1 && steps.destroyed == 0 && steps.ended == contexts);
  if (contexts) {
    free(steps.made[1]);
    free(steps.made[2]);
  }
  CHECK(munmap(steps.start, ROOM) == 0);
}

/* A table that allocates nothing has an end, too. */
static void end_only(void) {
  uruk_memory_manager *manager;
  OK(uruk_memory_callbacks_init(&original, sizeof original));
  original.flags = URUK_MEMORY_HARDENED;
  original.context = &original;
  OK(uruk_memory_manager_create(&original, &manager));
  table = find_table();
  alter();
  FAILS(URUK_TAMPERED, "`destroy` of the memory manager was not called", uruk_memory_manager_dispose(manager));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  put_right();
  before_a_link();
  for (int contexts = 0; contexts < 2; contexts++) {
    in_a_link(contexts);
    after_links(contexts);
  }
  end_only();
  puts("tampering: ok");
  return 0;
}
