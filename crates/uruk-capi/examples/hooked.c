/* Look-ups of one's own with the library's memory: `hooked OBJECT` links an object whose calls of `puts` come here. */

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

static int our_puts(const char *text) {
  return printf("[%s]\n", text);
}

/* Asked for what the program lacks, before the process is. */
static int32_t hook(void *context, const uruk_wanted *wanted, char **message) {
  int (*ours)(const char *) = our_puts;
  uint64_t i;
  (void)message;
  for (i = 0; i < wanted->count; i++) {
    char name[64];
    uruk_symbol symbol;
    uruk_name_text(context, wanted->names[i].name, name, sizeof name);
    if (strcmp(name, "puts") == 0) {
      symbol.name = "puts";
      memcpy(&symbol.address, &ours, sizeof ours);
      must(uruk_dylib_define(wanted->dylib, &symbol, 1));
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  uruk_generator_callbacks callbacks;
  uruk_jit *jit;
  uruk_dylib *program;
  int32_t status;
  if (argc != 2) {
    fprintf(stderr, "usage: hooked OBJECT\n");
    return 1;
  }
  must(uruk_jit_create(NULL, &jit));
  must(uruk_jit_main(jit, &program));
  must(uruk_generator_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = jit;
  callbacks.name = "the hook";
  callbacks.generate = hook;
  must(uruk_dylib_add_generator(program, &callbacks));
  must(uruk_dylib_add_file(program, argv[1]));
  must(uruk_dylib_run(program, NULL, &status));
  must(uruk_jit_destroy(jit));
  return status;
}
