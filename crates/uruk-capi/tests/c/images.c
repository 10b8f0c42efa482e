/* Images: a world that code of a JIT and this program have built, as files that the system starts. */

#define _GNU_SOURCE
#include "check.h"
#include "records.h"
#include <dlfcn.h>
#include <sys/wait.h>

#define EXPECTED "third record hird record 16 1\nother record ther record 16 1\nfirst record irst record 64 1\ngeneration 4\n"

static struct record *records;

static uint64_t at(const void *place) { return (uint64_t)(uintptr_t)place; }

/* What a program prints, and the status with which it ends. */
static int run(const char *command, char *text, size_t size) {
  FILE *output = popen(command, "r");
  CHECK(output != NULL);
  text[fread(text, 1, size - 1, output)] = 0;
  return WEXITSTATUS(pclose(output));
}

static uruk_world *build(uruk_dylib *program) {
  static const char *const names[3] = {"first record", "other record", "third record"};
  uruk_pointer_field fields[4];
  uruk_object_type type;
  uruk_type_id record, cell;
  uruk_world *world;
  uint64_t square, cube;
  int i;
  OK(uruk_lookup(program, "square", &square));
  OK(uruk_lookup(program, "cube", &cube));
  OK(uruk_world_create(&world));
  memset(fields, 0, sizeof fields);
  fields[0].offset = offsetof(struct record, next), fields[0].kind = URUK_POINTER_REFERENCE;
  fields[1].offset = offsetof(struct record, function), fields[1].kind = URUK_POINTER_CODE;
  fields[2].offset = offsetof(struct record, stream), fields[2].kind = URUK_POINTER_DATA;
  fields[3].offset = offsetof(struct record, inner), fields[3].kind = URUK_POINTER_INNER;
  OK(uruk_object_type_init(&type, sizeof type));
  type.name = "record", type.size = sizeof(struct record), type.alignment = 8, type.fields = fields, type.field_count = 4;
  OK(uruk_world_add_type(world, &type, &record));
  type.name = "cell", type.size = 8, type.field_count = 1;
  OK(uruk_world_add_type(world, &type, &cell));
  OK(uruk_world_add_cell(world, "records", at(&records), cell));
  for (i = 0; i < 3; i++) {
    struct record *made = (struct record *)calloc(1, sizeof *made);
    uruk_object object;
    made->next = records;
    FUNCTION(long, made->function, i == 0 ? cube : square);
    made->stream = &stdin;
    strcpy(made->name, names[i]);
    made->inner = made->name + 1;
    records = made;
    memset(&object, 0, sizeof object);
    object.address = at(made), object.type_id = record;
    OK(uruk_world_add_objects(world, &object, 1));
    OK(uruk_world_add_pointer(world, at(&made->stream), "stdin", NULL));
    OK(uruk_dylib_call(program, "grow", NULL, 0, NULL));
  }
  return world;
}

static uruk_jit *jit_with(const char *object, uint32_t flags, uruk_dylib **program) {
  uruk_options options;
  uruk_symbol symbol = {"records", at(&records)};
  uruk_jit *jit;
  OK(uruk_options_init(&options, sizeof options));
  options.flags = flags;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, program));
  OK(uruk_dylib_define(*program, &symbol, 1));
  OK(uruk_dylib_add_object_files(*program, NULL, &object, 1));
  return jit;
}

/* Writes an image, and says where. */
static const char *saved(const uruk_image_options *options, const char *folder, const char *name) {
  static char path[500];
  uruk_image *image;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  OK(uruk_image_make(options, &image));
  OK(uruk_image_save(image, path));
  /* In the place of what is there. */
  OK(uruk_image_save(image, path));
  OK(uruk_image_dispose(image));
  return path;
}

static void programs(uruk_image_options options, const char *folder) {
  uruk_image *image, *again;
  const uint8_t *bytes, *other;
  size_t size, other_size;
  char text[1000];
  const char *keep = "main";
  OK(uruk_image_make(&options, &image));
  OK(uruk_image_make(&options, &again));
  OK(uruk_image_bytes(image, &bytes, &size));
  OK(uruk_image_bytes(again, &other, &other_size));
  CHECK(size == other_size && memcmp(bytes, other, size) == 0 && memcmp(bytes, "\177ELF", 4) == 0);
  CHECK(memmem(bytes, size, "grow", 4) != NULL && memmem(bytes, size, "greeting", 8) != NULL);
  FAILS(URUK_FILE, "/nowhere/at/all", uruk_image_save(image, "/nowhere/at/all"));
  OK(uruk_image_dispose(image));
  OK(uruk_image_dispose(again));
  CHECK(uruk_image_bytes(image, &bytes, &size) == URUK_GONE);
  CHECK(run(saved(&options, folder, "program"), text, sizeof text) == 7 && strcmp(text, EXPECTED) == 0);
  options.address = 0x800000, options.flags = URUK_IMAGE_LONG_RELOCATIONS | URUK_IMAGE_STRIP, options.keep = &keep, options.keep_count = 1;
  CHECK(run(saved(&options, folder, "program"), text, sizeof text) == 7 && strcmp(text, EXPECTED) == 0);
  OK(uruk_image_make(&options, &image));
  OK(uruk_image_bytes(image, &bytes, &size));
  CHECK(memmem(bytes, size, "grow", 4) == NULL && memmem(bytes, size, "greeting", 8) == NULL);
  OK(uruk_image_dispose(image));
}

static void libraries(uruk_image_options options, const char *folder) {
  void *library;
  long (*total)(long);
  char command[1100], text[1000];
  options.kind = URUK_IMAGE_SHARED_OBJECT, options.name = "librecords.so";
  library = dlopen(saved(&options, folder, "librecords.so"), RTLD_NOW | RTLD_LOCAL);
  CHECK(library != NULL);
  FUNCTION(long, total, at(dlsym(library, "total")));
  CHECK(total(4) == 16 + 16 + 64);
  CHECK(dlclose(library) == 0);
  options.kind = URUK_IMAGE_OBJECT;
  options.name = NULL;
  options.libraries = NULL, options.library_count = 0;
  snprintf(command, sizeof command, "gcc -o %s/linked %s && %s/linked", folder, saved(&options, folder, "records.o"), folder);
  CHECK(run(command, text, sizeof text) == 7 && strcmp(text, EXPECTED) == 0);
}

/* Words that would be wrong, of data and of code: all of them are told, and those that are allowed are not. */
static void findings(uruk_image_options options, uruk_dylib *program) {
  uint64_t address = at(&records);
  char text[2000], *line, *end;
  const char *allowed[2];
  uruk_image *image;
  memcpy(records->name + 16, &address, sizeof address);
  OK(uruk_dylib_call(program, "greet", &address, 1, NULL));
  FAILS(URUK_IMAGE, "records+0 -> record+48: 0x", uruk_image_make(&options, &image));
  uruk_last_message(text, sizeof text);
  line = strchr(text, '\n');
  CHECK(line != NULL && strchr(line + 1, '\n') == NULL && strstr(line, "image_runtime.o(.data") != NULL);
  end = strstr(line, ": 0x");
  CHECK(end != NULL);
  *end = 0;
  allowed[0] = line + 1, allowed[1] = "records+0 -> record+48";
  options.allowed = allowed, options.allowed_count = 1;
  FAILS(URUK_IMAGE, "records+0 -> record+48: 0x", uruk_image_make(&options, &image));
  options.allowed_count = 2;
  OK(uruk_image_make(&options, &image));
  OK(uruk_image_dispose(image));
}

/* What is only linked runs nowhere. */
static void linked_only(uruk_image_options options) {
  uruk_memory_options stock;
  uruk_memory_manager *manager;
  uruk_options wanted;
  uruk_jit *jit;
  uruk_image *image;
  OK(uruk_memory_options_init(&stock, sizeof stock));
  stock.flags = URUK_STOCK_LAY_OUT | URUK_STOCK_AT, stock.start = 0x10000000, stock.size = 0x100000;
  OK(uruk_memory_manager_create_stock(&stock, &manager));
  OK(uruk_options_init(&wanted, sizeof wanted));
  wanted.flags = URUK_JIT_LINK_ONLY | URUK_JIT_RETAIN_GRAPHS, wanted.memory_manager = manager;
  OK(uruk_jit_create(&wanted, &jit));
  options.jit = jit;
  FAILS(URUK_INVALID, "does not run here", uruk_image_make(&options, &image));
  OK(uruk_jit_destroy(jit));
  OK(uruk_memory_manager_dispose(manager));
}

static void mistakes(const uruk_image_options *good, const char *object, uruk_jit *jit) {
  uruk_image_options options = *good;
  uruk_jit *other;
  uruk_dylib *program, *dylib;
  uruk_image *image;
  const char *nothing = "nothing";
  char text[100];
  OK(uruk_jit_create_dylib(jit, "empty", &dylib));
  options.dylibs = &dylib, options.dylib_count = 1;
  FAILS(URUK_INVALID, "dylib `empty` has kept the graph of no object", uruk_image_make(&options, &image));
  other = jit_with(object, 0, &program);
  OK(uruk_dylib_call(program, "grow", NULL, 0, NULL));
  options.dylibs = &program;
  FAILS(URUK_INVALID, "two JITs", uruk_image_make(&options, &image));
  options.jit = other;
  FAILS(URUK_INVALID, "retain_graphs", uruk_image_make(&options, &image));
  OK(uruk_jit_destroy(other));
  options.jit = NULL;
  FAILS(URUK_INVALID, "dylibs are a JIT's", uruk_image_make(&options, &image));
  options.dylibs = NULL, options.dylib_count = 0;
  FAILS(URUK_IMAGE, "not the address of a function that was linked here", uruk_image_make(&options, &image));
  options.world = NULL;
  FAILS(URUK_INVALID, "roots and heaps are a world's", uruk_image_make(&options, &image));
  options.root_count = 0;
  FAILS(URUK_INVALID, "an image of nothing", uruk_image_make(&options, &image));
  options = *good;
  options.roots = &nothing;
  FAILS(URUK_MISSING, "there is no root `nothing`", uruk_image_make(&options, &image));
  options = *good;
  options.keep = &nothing, options.keep_count = 1;
  FAILS(URUK_MISSING, "`nothing`", uruk_image_make(&options, &image));
  options = *good;
  options.main = "nothing";
  FAILS(URUK_MISSING, "`nothing`", uruk_image_make(&options, &image));
  options = *good;
  options.kind = 4;
  FAILS(URUK_INVALID, "4 is no kind of image", uruk_image_make(&options, &image));
  options.kind = URUK_IMAGE_SHARED_OBJECT, options.address = 0x800000;
  FAILS(URUK_INVALID, "`address` has no meaning for this kind", uruk_image_make(&options, &image));
  options.kind = URUK_IMAGE_EXECUTABLE, options.address = 1;
  FAILS(URUK_INVALID, "a multiple of 64 KiB", uruk_image_make(&options, &image));
  options.address = 0, options.flags = 16;
  FAILS(URUK_INVALID, "unknown flags", uruk_image_make(&options, &image));
  options.flags = 0, options.libraries = &nothing, options.library_count = 1;
  FAILS(URUK_FILE, "library nothing", uruk_image_make(&options, &image));
  options.struct_size = 0;
  CHECK(uruk_image_make(&options, &image) == URUK_ZERO_SIZE);
  CHECK(uruk_image_make(NULL, &image) == URUK_NULL && uruk_image_make(good, NULL) == URUK_NULL);
  CHECK(uruk_last_message(text, sizeof text) != 0);
  OK(uruk_image_dispose(NULL));
}

int main(int argc, char **argv) {
  uruk_jit *jit;
  uruk_dylib *program;
  uruk_world *world;
  uruk_image_options options;
  const char *root = "records", *library;
  struct record *next;
  CHECK(argc == 4);
  library = argv[2];
  jit = jit_with(argv[1], URUK_JIT_RETAIN_GRAPHS, &program);
  world = build(program);
  OK(uruk_image_options_init(&options, sizeof options));
  options.jit = jit, options.world = world, options.roots = &root, options.root_count = 1;
  options.libraries = &library, options.library_count = 1;
  mistakes(&options, argv[1], jit);
  linked_only(options);
  programs(options, argv[3]);
  libraries(options, argv[3]);
  findings(options, program);
  OK(uruk_world_dispose(world));
  OK(uruk_jit_destroy(jit));
  for (; records; records = next) {
    next = records->next;
    free(records);
  }
  puts("images: ok");
  return 0;
}
