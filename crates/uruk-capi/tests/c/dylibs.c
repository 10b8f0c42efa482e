/* Dylibs: what goes in, where they look, what is run. */

#include "linked.h"

static const char *files[4]; /* an object, an archive, a source, a program */

static int ours(int number) {
  return number * 10;
}

static uint64_t address_of(int (*function)(int)) {
  uint64_t address;
  memcpy(&address, &function, sizeof address);
  return address;
}

static char *read_whole(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *bytes = malloc(1 << 20);
  CHECK(file != NULL && bytes != NULL);
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

int main(int argc, char **argv) {
  uruk_jit *jit;
  uruk_dylib *first, *second, *third, *found;
  uruk_search_entry entries[2];
  uruk_symbol symbol;
  uint64_t result, addresses[2], arguments[2] = {30, 12};
  const char *words[] = {"program", "one", "two"}, *lazy[] = {"add"}, *names[] = {"add", "twice"};
  int32_t status = -1;
  size_t size;
  char *bytes;
  CHECK(argc == 5);
  memcpy(files, argv + 1, sizeof files);
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &first));
  OK(uruk_jit_create_dylib(jit, "second", &second));
  OK(uruk_jit_find_dylib(jit, "second", &found));
  CHECK(found == second);

  /* The object needs `ours`, which this program has. */
  symbol.name = "ours";
  symbol.address = address_of(ours);
  OK(uruk_dylib_define(second, &symbol, 1));
  OK(uruk_dylib_add_file(second, files[0]));
  CHECK(call(second, "call_ours", 4) == 41);
  OK(uruk_dylib_call(second, "add", arguments, 2, &result));
  CHECK(result == 42);
  FAILS(URUK_EXECUTOR, "arguments", uruk_dylib_call(second, "add", (uint64_t[9]){0}, 9, &result));
  OK(uruk_lookup_all(second, names, 2, URUK_LOOKUP_RESOLVED | URUK_LOOKUP_DYNAMIC, addresses));
  CHECK(addresses[0] != 0 && addresses[1] != 0 && addresses[0] != addresses[1]);

  FAILS(URUK_MISSING, "`add`", uruk_lookup(first, "add", &result));
  OK(uruk_dylib_link_against(first, &second, 1));
  OK(uruk_dylib_alias(first, "plus", "add"));
  OK(uruk_lookup(first, "plus", &result));
  CHECK(result == addresses[0]);
  OK(uruk_jit_create_dylib(jit, "third", &third));
  OK(uruk_dylib_lazy_reexport(third, second, lazy, 1));
  OK(uruk_lookup(third, "add", &result));
  CHECK(result != addresses[0] && call(third, "add", 1) != 0);
  entries[0].dylib = third;
  entries[0].all_symbols = 1;
  entries[1].dylib = first;
  entries[1].all_symbols = entries[0].reserved = entries[1].reserved = 0;
  OK(uruk_dylib_set_search_order(third, entries, 2));
  OK(uruk_lookup(third, "plus", &result));
  CHECK(result == addresses[0]);

  /* Archives: as a file, as bytes, and all of one. */
  OK(uruk_dylib_add_file(first, files[1]));
  CHECK(call(first, "member", 2) == 102);
  OK(uruk_jit_create_dylib(jit, "fourth", &found));
  bytes = read_whole(files[1], &size);
  OK(uruk_dylib_add_archive(found, NULL, (const uint8_t *)bytes, size));
  free(bytes);
  CHECK(call(found, "member", 3) == 103);
  OK(uruk_dylib_clear(found));
  OK(uruk_jit_quiesce(jit));
  OK(uruk_dylib_remove(found));
  OK(uruk_jit_create_dylib(jit, "fifth", &found));
  OK(uruk_dylib_add_whole_archive(found, files[1]));
  OK(uruk_dylib_initialize(found));
  CHECK(call(found, "member", 4) == 104);

  /* An object from memory, a source, functions of Cranelift. */
  OK(uruk_jit_create_dylib(jit, "sixth", &found));
  bytes = read_whole(files[0], &size);
  OK(uruk_dylib_define(found, &symbol, 1));
  OK(uruk_dylib_add_object(found, NULL, "copy.o", (const uint8_t *)bytes, size));
  free(bytes);
  CHECK(call(found, "call_ours", 5) == 51);
  OK(uruk_dylib_add_source_file(found, files[2]));
  CHECK(call(found, "from_source", 5) == 505);
  OK(uruk_dylib_add_clif(found, NULL, NULL,
                         "function %cube(i32) -> i32 system_v {\nblock0(v0: i32):\n  v1 = imul v0, v0\n  v2 = imul v1, v0\n  return v2\n}\n"));
  CHECK(call(found, "cube", 3) == 27);
  FAILS(URUK_COMPILE, "half.clif", uruk_dylib_add_clif(found, NULL, "half.clif", "function %half("));

  /* A program, with arguments and a library. */
  OK(uruk_jit_create_dylib(jit, "program", &found));
  OK(uruk_jit_set_arguments(jit, words, 3));
  OK(uruk_dylib_add_file(found, files[3]));
  OK(uruk_dylib_run(found, NULL, &status));
  CHECK(status == 3 + 't');
  OK(uruk_dylib_add_library(found, "libm.so.6"));
  FAILS(URUK_EXECUTOR, "libnone.so", uruk_jit_load_library(jit, "libnone.so"));
  OK(uruk_jit_load_library(jit, "libz.so.1"));
  OK(uruk_lookup(first, "zlibVersion", &result));
  OK(uruk_jit_destroy(jit));
  puts("dylibs: ok");
  return 0;
}
