/* An image whose functions take the place of those that a library has used. */

#include "check.h"

int ask(void);

int main(int argc, char **argv) {
  const char *library;
  uruk_options options;
  uruk_image_options wanted;
  uruk_load_options loading;
  uruk_dylib *program;
  uruk_mapped *mapped;
  uruk_image *image;
  uruk_jit *jit;
  uint64_t address;
  CHECK(argc == 3);
  library = argv[1];
  OK(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, &program));
  OK(uruk_dylib_add_source(program, NULL, "c", NULL, "int answer(void) { return 42; }"));
  OK(uruk_lookup(program, "answer", &address));
  OK(uruk_image_options_init(&wanted, sizeof wanted));
  wanted.kind = URUK_IMAGE_MAPPED, wanted.jit = jit, wanted.libraries = &library, wanted.library_count = 1;
  OK(uruk_image_make(&wanted, &image));
  OK(uruk_image_save(image, argv[2]));
  OK(uruk_image_dispose(image));
  OK(uruk_jit_destroy(jit));
  OK(uruk_load_options_init(&loading, sizeof loading));
  loading.path = argv[2];
  OK(uruk_mapped_load(&loading, &mapped));
  CHECK(ask() == 1);
  OK(uruk_mapped_dispose(mapped));
  loading.flags = URUK_LOAD_INTERPOSE;
  OK(uruk_mapped_load(&loading, &mapped));
  /* It stays for as long as the process. */
  CHECK(ask() == 42);
  puts("interposed: ok");
  return 0;
}
