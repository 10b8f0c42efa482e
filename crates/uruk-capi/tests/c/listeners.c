/* Listeners: what comes and goes, with symbols and images for debuggers. */

#define _GNU_SOURCE
#include "check.h"

struct ear {
  int loaded, freed, destroyed;
  uint64_t id, compute, value, code, code_size;
  uruk_loaded_image *image;
  uruk_dylib *dylib;
  const char *program;
};

static void loaded(void *context, const uruk_loaded *object) {
  struct ear *ear = context;
  const char *symbols = (const char *)object->symbols;
  const uint8_t *image, *again;
  size_t size;
  uint64_t i, found;
  ear->loaded++;
  ear->id = object->id;
  ear->image = object->image;
  CHECK(object->struct_size == sizeof *object && object->symbol_size == sizeof *object->symbols);
  CHECK(strcmp(object->object, ear->program) == 0 && strcmp(object->dylib, "main") == 0);
  ear->code = object->code, ear->code_size = object->code_size;
  for (i = 0; i < object->symbol_count; i++) {
    const uruk_loaded_symbol *symbol = (const uruk_loaded_symbol *)(symbols + i * object->symbol_size);
    if (strcmp(symbol->name, "compute") == 0 && symbol->kind == URUK_TYPE_FUNCTION && symbol->size != 0) {
      ear->compute = symbol->address;
    }
    if (strcmp(symbol->name, "value") == 0 && symbol->kind == URUK_TYPE_OBJECT && symbol->size == sizeof(int)) {
      ear->value = symbol->address;
    }
  }
  OK(uruk_loaded_debug_image(object->image, &image, &size));
  CHECK(64 < size && memcmp(image, "\177ELF", 4) == 0);
  CHECK(memmem(image, size, "compute", 7) != NULL);
  OK(uruk_loaded_debug_image(object->image, &again, &size));
  CHECK(again == image);
  CHECK(uruk_loaded_debug_image(object->image, NULL, &size) == URUK_NULL);
  FAILS(URUK_BUSY, "waits for this callback", uruk_lookup(ear->dylib, "compute", &found));
}

static void freed(void *context, uint64_t id) {
  struct ear *ear = context;
  CHECK(id == ear->id);
  ear->freed++;
}

static void destroy(void *context) {
  ((struct ear *)context)->destroyed++;
}

int main(int argc, char **argv) {
  struct ear ear;
  uruk_listener_callbacks callbacks;
  uruk_jit *jit;
  uruk_tracker *tracker;
  const uint8_t *image;
  size_t size;
  uint64_t address, id;
  CHECK(argc == 2);
  memset(&ear, 0, sizeof ear);
  ear.program = argv[1];
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &ear.dylib));
  OK(uruk_listener_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = &ear, callbacks.loaded = loaded, callbacks.freed = freed, callbacks.destroy = destroy;
  OK(uruk_jit_add_listener(jit, &callbacks));
  callbacks.struct_size = 0;
  CHECK(uruk_jit_add_listener(jit, &callbacks) == URUK_ZERO_SIZE);
  CHECK(uruk_jit_add_listener(jit, NULL) == URUK_NULL);
  OK(uruk_tracker_create(ear.dylib, &tracker));
  OK(uruk_dylib_add_object_files(ear.dylib, tracker, &ear.program, 1));
  OK(uruk_lookup(ear.dylib, "compute", &address));
  CHECK(ear.loaded == 1 && ear.freed == 0 && ear.compute == address && ear.value != 0);
  CHECK(ear.code <= address && address < ear.code + ear.code_size);
  FAILS(URUK_GONE, "gone", uruk_loaded_debug_image(ear.image, &image, &size));
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  CHECK(ear.freed == 1);
  id = ear.id;
  OK(uruk_dylib_add_object_files(ear.dylib, tracker, &ear.program, 1));
  OK(uruk_lookup(ear.dylib, "compute", &address));
  CHECK(ear.loaded == 2 && ear.id != id);
  OK(uruk_jit_destroy(jit));
  CHECK(ear.freed == 2 && ear.destroyed == 1);
  puts("listeners: ok");
  return 0;
}
