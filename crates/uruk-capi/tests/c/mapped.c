/* Images that are mapped into this process, and such as build on others. */

#include "check.h"
#include "nodes.h"

/* What a program is made of: its files, and where images go. */
static const char *object, *more, *library, *folder;

static struct node first, *nodes = &first;
static long reported;

static uint64_t at(const void *place) { return (uint64_t)(uintptr_t)place; }

static const char *in_folder(const char *name) {
  static char paths[4][500];
  static int turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static uruk_jit *make_jit(uruk_dylib **program) {
  uruk_options options;
  uruk_jit *jit;
  OK(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, program));
  return jit;
}

/* A world that has the list, of nodes with so many bytes. */
static uruk_world *make_world(uint64_t list, uint64_t node, uint64_t size) {
  uruk_pointer_field fields[2];
  uruk_object_type type;
  uruk_object added;
  uruk_type_id cell;
  uruk_world *world;
  memset(fields, 0, sizeof fields);
  memset(&added, 0, sizeof added);
  fields[0].kind = URUK_POINTER_REFERENCE;
  fields[1].offset = 8, fields[1].kind = URUK_POINTER_CODE;
  OK(uruk_world_create(&world));
  OK(uruk_object_type_init(&type, sizeof type));
  type.name = "node", type.size = size, type.alignment = 8, type.fields = fields, type.field_count = 2;
  OK(uruk_world_add_type(world, &type, &added.type_id));
  type.name = "cell", type.size = 8, type.field_count = 1;
  OK(uruk_world_add_type(world, &type, &cell));
  OK(uruk_world_add_cell(world, "nodes", list, cell));
  added.address = node;
  OK(uruk_world_add_objects(world, &added, 1));
  return world;
}

static void save(const uruk_image_options *options, const char *name) {
  uruk_image *image;
  OK(uruk_image_make(options, &image));
  OK(uruk_image_save(image, in_folder(name)));
  OK(uruk_image_dispose(image));
}

static void wrong_kinds(uruk_image_options options) {
  uruk_image *image;
  options.flags |= URUK_IMAGE_LONG_RELOCATIONS;
  FAILS(URUK_INVALID, "`flags` has no meaning", uruk_image_make(&options, &image));
  options.flags = 0, options.name = "name";
  FAILS(URUK_INVALID, "`name` has no meaning", uruk_image_make(&options, &image));
  options.name = NULL, options.address = 1;
  FAILS(URUK_INVALID, "64 KiB", uruk_image_make(&options, &image));
  options.address = 0, options.kind = URUK_IMAGE_EXECUTABLE;
  FAILS(URUK_INVALID, "`stamp` has no meaning", uruk_image_make(&options, &image));
  options.stamp = NULL, options.flags = URUK_IMAGE_SAME_BUILDS;
  FAILS(URUK_INVALID, "`flags` has no meaning", uruk_image_make(&options, &image));
  options.kind = URUK_IMAGE_MAPPED, options.flags = URUK_IMAGE_STAMP_LAYOUT, options.world = NULL, options.root_count = 0;
  FAILS(URUK_INVALID, "a layout is a world's", uruk_image_make(&options, &image));
}

/* Writes the first image, of code of a JIT that is gone when this returns, and of a node of this program. */
static void write_first(void) {
  const char *root = "nodes";
  uruk_symbol symbols[2] = {{"nodes", at(&nodes)}, {"reported", at(&reported)}};
  uruk_image_options options;
  uruk_world *world;
  uruk_dylib *program;
  uint64_t address;
  uruk_jit *jit = make_jit(&program);
  OK(uruk_dylib_define(program, symbols, 2));
  OK(uruk_dylib_add_object_files(program, NULL, &object, 1));
  OK(uruk_lookup(program, "twice", &address));
  FUNCTION(long, first.function, address);
  world = make_world(at(&nodes), at(&first), sizeof first);
  OK(uruk_image_options_init(&options, sizeof options));
  options.kind = URUK_IMAGE_MAPPED, options.flags = URUK_IMAGE_STAMP_LAYOUT | URUK_IMAGE_SAME_BUILDS;
  options.jit = jit, options.world = world, options.roots = &root, options.root_count = 1;
  options.libraries = &library, options.library_count = 1, options.main = "main", options.stamp = "runtime 1";
  wrong_kinds(options);
  options.run_path = "$ORIGIN";
  save(&options, "first");
  options.flags |= URUK_IMAGE_STRIP, options.address = UINT64_C(0x2a0000000000), options.main = NULL;
  save(&options, "stripped");
  OK(uruk_world_dispose(world));
  OK(uruk_jit_destroy(jit));
  /* The JIT has run initialisers and finalisers, too. */
  CHECK(reported == 101);
  reported = 0;
}

static uint64_t find(void *context, const char *name) { return strcmp(name, "reported") == 0 ? at(context) : 0; }

static uruk_load_options loading(const char *name) {
  static const char *const arguments[3] = {"program", "one", "5"};
  uruk_load_options options;
  OK(uruk_load_options_init(&options, sizeof options));
  options.path = in_folder(name), options.context = &reported, options.find = find;
  options.arguments = arguments, options.argument_count = 3;
  return options;
}

static uruk_mapped *load(const char *name, uruk_mapped *base) {
  uruk_load_options options = loading(name);
  uruk_mapped *image;
  options.base = base;
  OK(uruk_mapped_load(&options, &image));
  return image;
}

static long call(uruk_mapped *image, const char *name, long argument) {
  long (*function)(long);
  uint64_t address;
  OK(uruk_mapped_address(image, name, &address));
  FUNCTION(long, function, address);
  return function(argument);
}

static void count(void *context, const uruk_mapped_symbol *symbol) {
  CHECK(sizeof *symbol <= symbol->struct_size);
  if (strcmp(symbol->name, "twice") == 0) {
    CHECK(symbol->kind == URUK_TYPE_FUNCTION && symbol->size != 0);
    *(uint64_t *)context = symbol->address;
  }
}

static void used_and_unloaded(void) {
  uruk_mapped *one = load("first", NULL), *two = load("first", NULL), *stripped = load("stripped", NULL);
  uint64_t start, size, other, address, twice = 0;
  int32_t status;
  CHECK(reported == 3);
  OK(uruk_mapped_range(one, &start, &size));
  OK(uruk_mapped_range(two, &other, NULL));
  OK(uruk_mapped_address(one, "next", &address));
  CHECK(start != other && start <= address && address - start < size);
  CHECK(call(one, "sum", 4) == 8 && call(two, "sum", 5) == 10);
  CHECK(call(one, "next", 0) == 1 && call(one, "next", 0) == 2 && call(two, "next", 0) == 1);
  OK(uruk_mapped_run(one, &status));
  CHECK(status == 35);
  OK(uruk_mapped_run(one, NULL));
  OK(uruk_mapped_symbols(one, &twice, count));
  OK(uruk_mapped_address(one, "twice", &address));
  CHECK(twice == address);
  FAILS(URUK_MISSING, "defines no `nothing`", uruk_mapped_address(one, "nothing", &address));
  OK(uruk_mapped_dispose(two));
  CHECK(reported == 103 && call(one, "next", 0) == 3);
  CHECK(uruk_mapped_run(two, &status) == URUK_GONE);
  OK(uruk_mapped_dispose(one));
  OK(uruk_mapped_dispose(stripped));
  OK(uruk_mapped_dispose(NULL));
  CHECK(reported == 303);
}

static void damaged(const char *name, long length) {
  char bytes[1 << 16];
  FILE *file = fopen(in_folder("first"), "rb");
  size_t size = fread(bytes, 1, sizeof bytes, file);
  CHECK(fclose(file) == 0 && size < sizeof bytes && length < (long)size);
  file = fopen(in_folder(name), "wb");
  CHECK(file != NULL && fwrite(bytes, 1, (size_t)length, file) == (size_t)length && fclose(file) == 0);
}

static void refused(void) {
  uruk_load_options options = loading("first");
  uruk_world *same = make_world(8, 64, sizeof first), *other = make_world(8, 64, sizeof first + 8);
  uruk_mapped *image;
  long before = reported;
  options.stamp = "runtime 2";
  FAILS(URUK_STALE, "it is stamped `runtime 1`", uruk_mapped_load(&options, &image));
  options.stamp = "runtime 1", options.world = other;
  FAILS(URUK_STALE, "laid out differently", uruk_mapped_load(&options, &image));
  options.path = in_folder("nowhere");
  FAILS(URUK_FILE, "nowhere", uruk_mapped_load(&options, &image));
  damaged("truncated", 1000);
  options.path = in_folder("truncated");
  FAILS(URUK_LINK, "1000 bytes", uruk_mapped_load(&options, &image));
  options.path = object;
  FAILS(URUK_LINK, "no image of Uruk's", uruk_mapped_load(&options, &image));
  options.path = NULL;
  FAILS(URUK_NULL, "path", uruk_mapped_load(&options, &image));
  options.flags = 2;
  FAILS(URUK_INVALID, "unknown flags", uruk_mapped_load(&options, &image));
  CHECK(reported == before);
  options.flags = 0, options.path = in_folder("first"), options.world = same;
  OK(uruk_mapped_load(&options, &image));
  OK(uruk_mapped_dispose(image));
  OK(uruk_world_dispose(same));
  OK(uruk_world_dispose(other));
}

/* Writes what has changed in an image since it was loaded, with code that was linked against it. */
static void write_second(void) {
  uruk_mapped *image = load("first", NULL);
  const char *root = "nodes";
  uruk_image_options options;
  uruk_image *none;
  uruk_world *world;
  uruk_dylib *program;
  uint64_t list, address;
  static struct node added;
  uruk_jit *jit = make_jit(&program);
  OK(uruk_mapped_define(image, program));
  OK(uruk_dylib_add_object_files(program, NULL, &more, 1));
  OK(uruk_lookup(program, "thrice", &address));
  FUNCTION(long, added.function, address);
  OK(uruk_mapped_address(image, "nodes", &list));
  world = make_world(list, at(&added), sizeof added);
  CHECK(call(image, "next", 0) == 1);
  call(image, "push", (long)(uintptr_t)&added);
  OK(uruk_image_options_init(&options, sizeof options));
  options.kind = URUK_IMAGE_MAPPED, options.base = image, options.jit = jit;
  options.world = world, options.roots = &root, options.root_count = 1;
  options.libraries = &library, options.library_count = 1;
  /* The node that the image had is an object, too. */
  FAILS(URUK_IMAGE, "nodes+0", uruk_image_make(&options, &none));
  {
    uruk_object first_one;
    memset(&first_one, 0, sizeof first_one);
    first_one.address = at(added.next), first_one.type_id = 1;
    OK(uruk_world_add_objects(world, &first_one, 1));
  }
  CHECK(call(image, "sum", 4) == 4 * 3 + 4 * 2);
  save(&options, "second");
  options.kind = URUK_IMAGE_SHARED_OBJECT;
  FAILS(URUK_INVALID, "`base` has no meaning", uruk_image_make(&options, &none));
  OK(uruk_world_dispose(world));
  OK(uruk_jit_destroy(jit));
  OK(uruk_mapped_dispose(image));
}

static void built_on(void) {
  uruk_load_options alone = loading("second");
  uruk_mapped *base = load("first", NULL), *second, *none;
  uruk_image_options options;
  uruk_image *image;
  long before = reported;
  CHECK(call(base, "sum", 4) == 8);
  FAILS(URUK_STALE, "load that one first", uruk_mapped_load(&alone, &none));
  second = load("second", base);
  CHECK(call(base, "sum", 4) == 4 * 3 + 4 * 2 && call(base, "next", 0) == 2);
  FAILS(URUK_MISSING, "no function to begin with", uruk_mapped_run(second, NULL));
  OK(uruk_image_options_init(&options, sizeof options));
  options.kind = URUK_IMAGE_MAPPED, options.base = second;
  FAILS(URUK_INVALID, "builds on another image", uruk_image_make(&options, &image));
  /* The base stays as long as who builds on it. */
  OK(uruk_mapped_dispose(base));
  CHECK(uruk_mapped_range(base, NULL, NULL) == URUK_GONE && reported == before);
  CHECK(call(second, "all", 4) == 4 * 3 + 4 * 2 + 3);
  OK(uruk_mapped_dispose(second));
  CHECK(reported == before + 100);
}

static void note(void *context, const char *text) {
  char *all = (char *)context;
  strncat(all, text, 3999 - strlen(all));
  strcat(all, "\n");
}

static void described(void) {
  char text[4001] = "";
  OK(uruk_image_describe(in_folder("first"), text, note));
  CHECK(strstr(text, "mappable image") != NULL && strstr(text, "runtime 1") != NULL && strstr(text, "libraries are in: $ORIGIN") != NULL);
  text[0] = 0;
  OK(uruk_image_differences(in_folder("first"), in_folder("first"), text, note));
  CHECK(text[0] == 0);
  OK(uruk_image_differences(in_folder("first"), in_folder("stripped"), text, note));
  CHECK(strstr(text, "own address: none -> 0x2a0000000000") != NULL);
  FAILS(URUK_LINK, "no image of Uruk's", uruk_image_describe(__FILE__, text, note));
  FAILS(URUK_FILE, "nowhere", uruk_image_differences(in_folder("first"), in_folder("nowhere"), text, note));
}

int main(int argc, char **argv) {
  CHECK(argc == 5);
  object = argv[1], more = argv[2], library = argv[3], folder = argv[4];
  write_first();
  used_and_unloaded();
  refused();
  write_second();
  built_on();
  described();
  puts("mapped: ok");
  return 0;
}
