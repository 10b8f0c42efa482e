/* GDB on: `gdb --args debugged OBJECT` sees the functions, files and lines of an object that was compiled with `-g`; say
 * `set breakpoint pending on` and `break compute` before `run`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uruk.h>

static void must(uruk_status status) {
  char text[1000];
  if (status != URUK_OK) {
    uruk_last_message(text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
  }
}

int main(int argc, char **argv) {
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *program;
  uint64_t address;
  int (*compute)(int);
  if (argc != 2) {
    fprintf(stderr, "usage: debugged OBJECT\n");
    return 1;
  }
  must(uruk_options_init(&options, sizeof options));
  /* For a debugger that comes later, too. Without this, one that is there from the start sees everything all the same. */
  options.flags = URUK_JIT_DEBUGGER;
  must(uruk_jit_create(&options, &jit));
  must(uruk_jit_main(jit, &program));
  must(uruk_dylib_add_file(program, argv[1]));
  must(uruk_lookup(program, "compute", &address));
  memcpy(&compute, &address, sizeof compute);
  printf("%d\n", compute(20));
  must(uruk_jit_destroy(jit));
  return 0;
}
