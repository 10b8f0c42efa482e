/* A child of `fork` goes on, whatever other threads were doing at that moment. */

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static uruk_dylib *program;
static const char *object;
static int stop;

static void cycle(int number) {
  uruk_tracker *tracker;
  uruk_dylib *found;
  uint64_t address;
  int (*compute)(int);
  char name[40];
  uruk_jit *jit;
  OK(uruk_jit_create(NULL, &jit));
  snprintf(name, sizeof name, "dylib %d", number);
  OK(uruk_jit_create_dylib(jit, name, &found));
  OK(uruk_tracker_create(found, &tracker));
  OK(uruk_dylib_add_object_files(found, tracker, &object, 1));
  OK(uruk_lookup(found, "compute", &address));
  FUNCTION(int (*)(int), compute, address);
  CHECK(compute(40) == 42);
  OK(uruk_jit_destroy(jit));
}

static void *busy(void *none) {
  for (int number = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); number++) {
    /* Most of the time is spent in the table of handles. */
    for (int i = 0; i < 20000; i++) {
      uruk_tracker *tracker;
      OK(uruk_tracker_create(program, &tracker));
      OK(uruk_tracker_dispose(tracker));
    }
    cycle(number);
  }
  return none;
}

int main(int argc, char **argv) {
  pthread_t threads[2];
  uruk_jit *jit;
  uruk_tracker *tracker;
  CHECK(argc == 2);
  object = argv[1];
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &program));
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, busy, NULL) == 0);
  }
  for (int i = 0; i < 60; i++) {
    int status;
    pid_t child = fork();
    CHECK(0 <= child);
    if (child == 0) {
      alarm(20);
      OK(uruk_tracker_create(program, &tracker));
      OK(uruk_tracker_dispose(tracker));
      cycle(0);
      _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  for (int i = 0; i < 2; i++) {
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
  OK(uruk_jit_destroy(jit));
  puts("forks: ok");
  return 0;
}
