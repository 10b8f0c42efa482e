/* Worlds: what is said of memory, what is refused, and what roots lead to. */

#include "check.h"

struct pair {
  struct pair *first, *second;
  const void *raw;
  uint64_t number;
};

struct table {
  uint64_t count;
  struct pair *elements[4];
};

/* A heap that nobody was told of, object by object. */
struct heap {
  struct pair pairs[8];
  uruk_world *world;
  uruk_type_id type;
  int asked;
};

static uint64_t at(const void *place) { return (uint64_t)(uintptr_t)place; }

static uruk_type_id object_at(void *context, uint64_t address, uint64_t *start) {
  struct heap *heap = (struct heap *)context;
  uint64_t begin = at(heap->pairs), end = begin + sizeof heap->pairs;
  heap->asked++;
  FAILS(URUK_BUSY, "waits for this callback", uruk_world_remove_pointer(heap->world, address));
  if (address < begin || end <= address) return 0;
  *start = address - (address - begin) % sizeof(struct pair);
  return heap->type;
}

static uruk_pointer_field field(uint64_t offset, uint32_t kind) {
  uruk_pointer_field made;
  memset(&made, 0, sizeof made);
  made.offset = offset, made.kind = kind;
  return made;
}

static uruk_object_type pair_type(const uruk_pointer_field *fields, uint64_t count) {
  uruk_object_type type;
  OK(uruk_object_type_init(&type, sizeof type));
  type.name = "pair", type.size = sizeof(struct pair), type.alignment = 8;
  type.fields = fields, type.field_count = count;
  return type;
}

static uruk_type_id add_pair(uruk_world *world) {
  uruk_pointer_field fields[3] = {field(0, URUK_POINTER_REFERENCE), field(8, URUK_POINTER_REFERENCE), field(16, URUK_POINTER_DATA)};
  uruk_object_type type = pair_type(fields, 3);
  uruk_type_id id = 0;
  OK(uruk_world_add_type(world, &type, &id));
  CHECK(id != 0);
  return id;
}

static void types(uruk_world *world) {
  uruk_pointer_field fields[2] = {field(0, URUK_POINTER_REFERENCE), field(4, URUK_POINTER_DATA)};
  uruk_object_type type = pair_type(fields, 2);
  uruk_type_id id;
  FAILS(URUK_INVALID, "the pointer at 4 of an object is not aligned", uruk_world_add_type(world, &type, &id));
  type.flags = URUK_OBJECT_TYPE_PACKED;
  FAILS(URUK_INVALID, "the pointers at 0 and 4 of an object overlap", uruk_world_add_type(world, &type, &id));
  type.flags = 4;
  FAILS(URUK_INVALID, "0x4 has unknown flags", uruk_world_add_type(world, &type, &id));
  type.flags = 0;
  fields[1] = field(8, 7);
  FAILS(URUK_INVALID, "type `pair`: the pointer at 8: 7 is no kind of pointer", uruk_world_add_type(world, &type, &id));
  fields[1].kind = URUK_POINTER_WEAK, fields[1].tag_bits = 1;
  FAILS(URUK_INVALID, "it has tags, and is not tagged", uruk_world_add_type(world, &type, &id));
  fields[1].kind = URUK_POINTER_TAGGED, fields[1].tag_bits = 300;
  FAILS(URUK_INVALID, "tag bits", uruk_world_add_type(world, &type, &id));
  fields[1].tag_bits = 2, fields[1].references = 2;
  type.stride = 8;
  FAILS(URUK_INVALID, "set `count_width`", uruk_world_add_type(world, &type, &id));
  type.count_width = 256;
  FAILS(URUK_INVALID, "it can have 1, 2, 4 or 8", uruk_world_add_type(world, &type, &id));
  type.count_width = 0, type.stride = 0, type.alignment = 12;
  FAILS(URUK_INVALID, "no power of two", uruk_world_add_type(world, &type, &id));
  type.alignment = 8;
  OK(uruk_world_add_type(world, &type, &id));
  type.name = NULL;
  CHECK(uruk_world_add_type(world, &type, &id) == URUK_NULL);
  type.name = "pair", type.magic = 0;
  CHECK(uruk_world_add_type(world, &type, &id) == URUK_BAD_MAGIC);
  CHECK(uruk_world_add_type(world, &type, NULL) == URUK_NULL);
}

/* What is said of entries, one after the other. */
struct entries {
  int count;
  char text[400];
};

static void entry(void *context, const uruk_pointer_entry *told) {
  struct entries *entries = (struct entries *)context;
  size_t length = strlen(entries->text);
  CHECK(told->struct_size == sizeof *told && told->field != 0);
  entries->count++;
  snprintf(entries->text + length, sizeof entries->text - length, "%s@%s%+d%s ", told->symbol ? told->symbol : told->target ? "own" : "?",
           told->version ? told->version : "", (int)told->addend, told->flags & URUK_ENTRY_WEAK ? "w" : "");
}

static void has_entries(uruk_world *world, const char *expected) {
  struct entries entries;
  memset(&entries, 0, sizeof entries);
  OK(uruk_world_pointers(world, &entries, entry));
  if (strcmp(entries.text, expected) != 0) {
    fprintf(stderr, "entries: %s\n", entries.text);
    exit(1);
  }
}

static void entries(uruk_world *world, uruk_type_id type) {
  static struct pair pairs[4];
  uruk_object objects[4];
  uruk_entry_options options;
  uint64_t fields[3] = {at(&pairs[0].raw), at(&pairs[1].raw), at(&pairs[0].raw)};
  const char *symbols[3] = {"stdin", "environ", "stdout"};
  uint64_t places[2] = {at(&pairs[2]), at(&pairs[3].second)};
  const char *names[2] = {"third", "inside_fourth"};
  uruk_move moves[1] = {{at(&pairs[0]), at(&pairs[2]), sizeof pairs[0]}};
  int i;
  memset(objects, 0, sizeof objects);
  for (i = 0; i < 4; i++) objects[i].address = at(&pairs[i]), objects[i].type_id = type;
  objects[3].type_id = 77;
  FAILS(URUK_INVALID, "objects[3]: ", uruk_world_add_objects(world, objects, 4));
  objects[3].type_id = 0;
  FAILS(URUK_INVALID, "there is no type", uruk_world_add_objects(world, objects, 4));
  objects[3].type_id = type, objects[3].address = at(&pairs[2].raw);
  FAILS(URUK_INVALID, "it overlaps the `pair`", uruk_world_add_objects(world, objects, 4));
  objects[3].address = at(&pairs[3]);
  /* Nothing of those lists was added: all of it can be. */
  OK(uruk_world_add_objects(world, objects, 4));

  /* A list is taken whole or not at all. */
  FAILS(URUK_DUPLICATE, "fields[2]: ", uruk_world_add_pointers(world, fields, symbols, 3, NULL));
  has_entries(world, "");
  OK(uruk_world_add_pointers(world, fields, symbols, 2, NULL));
  has_entries(world, "stdin@+0 environ@+0 ");
  FAILS(URUK_DUPLICATE, "points to symbol `stdin` already", uruk_world_add_pointer(world, fields[0], "stdout", NULL));
  OK(uruk_world_remove_pointer(world, fields[0]));
  FAILS(URUK_MISSING, "has no entry", uruk_world_remove_pointer(world, fields[0]));

  OK(uruk_entry_options_init(&options, sizeof options));
  options.addend = -8, options.version = "GLIBC_2.2.5", options.flags = URUK_ENTRY_WEAK;
  OK(uruk_world_add_pointer(world, fields[0], "stdin", &options));
  has_entries(world, "stdin@GLIBC_2.2.5-8w environ@+0 ");
  options.version = "a@b";
  FAILS(URUK_INVALID, "its version", uruk_world_add_pointer(world, at(&pairs[2].raw), "stdin", &options));
  options.flags = 2;
  FAILS(URUK_INVALID, "unknown flags", uruk_world_add_pointer(world, at(&pairs[2].raw), "stdin", &options));
  FAILS(URUK_INVALID, "a name is empty", uruk_world_add_pointer(world, at(&pairs[2].raw), "", NULL));
  FAILS(URUK_INVALID, "versions are given apart", uruk_world_add_pointer(world, at(&pairs[2].raw), "stdin@V", NULL));
  FAILS(URUK_INVALID, "there is no pointer at null", uruk_world_add_pointer(world, 0, "stdin", NULL));
  FAILS(URUK_INVALID, "has no raw pointer at 8", uruk_world_add_pointer(world, at(&pairs[2].second), "stdin", NULL));
  CHECK(uruk_world_add_pointer(world, at(&pairs[2].raw), NULL, NULL) == URUK_NULL);
  CHECK(uruk_world_add_pointer(world, at(&pairs[2].raw), "\377", NULL) == URUK_NOT_UTF8);
  OK(uruk_world_add_own_pointer(world, at(&pairs[3].raw), at(&pairs[2].number)));
  has_entries(world, "stdin@GLIBC_2.2.5-8w environ@+0 own@+0 ");

  /* Both lists of an image, and the element that is wrong. */
  symbols[0] = "stderr", fields[0] = at(&pairs[2].raw);
  symbols[1] = "stdout";
  FAILS(URUK_DUPLICATE, "relocations[1]: ", uruk_world_add_named(world, places, names, 2, fields, symbols, 2));
  symbols[1] = NULL;
  FAILS(URUK_NULL, "reloc_strings[1]", uruk_world_add_named(world, places, names, 2, fields, symbols, 2));
  places[1] = 0;
  FAILS(URUK_INVALID, "symbols[1]: ", uruk_world_add_named(world, places, names, 2, fields, symbols, 1));
  places[1] = at(&pairs[3].second);
  has_entries(world, "stdin@GLIBC_2.2.5-8w environ@+0 own@+0 ");
  OK(uruk_world_add_named(world, places, names, 2, fields, symbols, 1));
  has_entries(world, "stdin@GLIBC_2.2.5-8w environ@+0 stderr@+0 own@+0 ");
  FAILS(URUK_DUPLICATE, "one of that name", uruk_world_add_named(world, places, names, 1, NULL, NULL, 0));
  FAILS(URUK_DUPLICATE, "one of that name", uruk_world_export(world, "third", at(&pairs[1])));
  FAILS(URUK_INVALID, "nothing is at null", uruk_world_export(world, "null", 0));
  FAILS(URUK_INVALID, "a name is empty", uruk_world_export(world, "", at(&pairs[1])));
  OK(uruk_world_export(world, "second", at(&pairs[1])));

  /* The first lies where the third was, which is gone with what pointed to it, and its entry is there. */
  OK(uruk_world_objects_moved(world, moves, 1));
  has_entries(world, "environ@+0 stdin@GLIBC_2.2.5-8w ");
  /* What is dead takes its entry along. */
  OK(uruk_world_remove_object(world, at(&pairs[2])));
  has_entries(world, "environ@+0 ");
  FAILS(URUK_MISSING, "no object that was added", uruk_world_remove_object(world, at(&pairs[2])));
}

/* The last that was told, and how many there were. */
struct told {
  int count;
  char text[200];
  uint64_t places, bytes, value;
};

static void share(void *context, const uruk_share *share) {
  struct told *told = (struct told *)context;
  CHECK(share->struct_size == sizeof *share);
  told->count++, told->places = share->places, told->bytes = share->bytes;
  snprintf(told->text, sizeof told->text, "%s", share->root);
}

static void finding(void *context, const uruk_finding *finding) {
  struct told *told = (struct told *)context;
  CHECK(finding->struct_size == sizeof *finding && finding->mapping[0] != 0);
  told->count++, told->value = finding->value;
  snprintf(told->text, sizeof told->text, "%s", finding->path);
}

static void closures(void) {
  static struct heap heap;
  static struct table table;
  uruk_world *world;
  uruk_closure *closure;
  uruk_heap_callbacks callbacks;
  uruk_object_type type;
  uruk_pointer_field element = field(0, URUK_POINTER_REFERENCE);
  uruk_type_id table_type;
  struct told told;
  uint64_t places, bytes, unused[2];
  size_t count;
  char path[100];
  const char *roots[2] = {"table", "nothing"};
  OK(uruk_world_create(&world));
  heap.world = world, heap.type = add_pair(world);
  OK(uruk_object_type_init(&type, sizeof type));
  type.name = "table", type.size = 8, type.alignment = 8;
  type.count_width = 8, type.stride = 8, type.element_fields = &element, type.element_field_count = 1;
  OK(uruk_world_add_type(world, &type, &table_type));
  OK(uruk_world_add_cell(world, "table", at(&table), table_type));
  FAILS(URUK_DUPLICATE, "one of that name", uruk_world_add_cell(world, "table", at(&heap), table_type));
  FAILS(URUK_INVALID, "versions are given apart", uruk_world_add_cell(world, "a@b", at(&heap), table_type));
  table.count = 2, table.elements[1] = &heap.pairs[3];
  heap.pairs[3].second = &heap.pairs[5];

  FAILS(URUK_MISSING, "there is no root `nothing`", uruk_world_trace(world, roots, 2, NULL, &closure));
  FAILS(URUK_IMAGE, "table+16: 0x", uruk_world_trace(world, roots, 1, NULL, &closure));
  OK(uruk_heap_callbacks_init(&callbacks, sizeof callbacks));
  FAILS(URUK_NULL, "`object_at`", uruk_world_trace(world, roots, 1, &callbacks, &closure));
  callbacks.context = &heap, callbacks.object_at = object_at;
  OK(uruk_world_trace(world, roots, 1, &callbacks, &closure));
  CHECK(heap.asked == 2);
  OK(uruk_closure_size(closure, &places, &bytes));
  CHECK(places == 3 && bytes == 24 + 2 * sizeof(struct pair));
  OK(uruk_closure_size(closure, NULL, NULL));
  CHECK(uruk_closure_path(closure, at(&heap.pairs[5].number), path, sizeof path) == strlen("table+16 -> pair+8 -> pair+24"));
  CHECK(strcmp(path, "table+16 -> pair+8 -> pair+24") == 0);
  CHECK(uruk_closure_path(closure, at(&heap.pairs[4]), path, sizeof path) == 0 && uruk_last_status() == URUK_MISSING);
  memset(&told, 0, sizeof told);
  OK(uruk_closure_shares(closure, &told, share));
  CHECK(told.count == 1 && strcmp(told.text, "table") == 0 && told.places == 3 && told.bytes == bytes);
  memset(&told, 0, sizeof told);
  OK(uruk_closure_findings(closure, &told, finding));
  CHECK(told.count == 0);
  OK(uruk_closure_unused_entries(closure, NULL, 0, &count));
  CHECK(count == 0);
  OK(uruk_closure_dispose(closure));
  CHECK(uruk_closure_size(closure, &places, &bytes) == URUK_GONE);

  /* A raw pointer without an entry, and an entry for what is not reached. */
  heap.pairs[5].raw = &table;
  OK(uruk_world_add_pointer(world, at(&heap.pairs[7].raw), "stdin", NULL));
  OK(uruk_world_trace(world, roots, 1, &callbacks, &closure));
  memset(&told, 0, sizeof told);
  OK(uruk_closure_findings(closure, &told, finding));
  CHECK(told.count == 1 && told.value == at(&table) && strcmp(told.text, "table+16 -> pair+8 -> pair+16") == 0);
  OK(uruk_closure_unused_entries(closure, unused, 2, &count));
  CHECK(count == 1 && unused[0] == at(&heap.pairs[7].raw));
  OK(uruk_closure_dispose(closure));
  OK(uruk_world_add_own_pointer(world, at(&heap.pairs[5].raw), at(&table)));
  OK(uruk_world_trace(world, roots, 1, &callbacks, &closure));
  /* A closure stays when its world goes. */
  OK(uruk_world_dispose(world));
  memset(&told, 0, sizeof told);
  OK(uruk_closure_findings(closure, &told, finding));
  CHECK(told.count == 0);
  CHECK(uruk_world_trace(world, roots, 1, &callbacks, &closure) == URUK_GONE);
  OK(uruk_closure_dispose(closure));
}

int main(void) {
  uruk_world *world;
  CHECK(uruk_world_create(NULL) == URUK_NULL);
  OK(uruk_world_create(&world));
  types(world);
  entries(world, add_pair(world));
  OK(uruk_world_dispose(world));
  OK(uruk_world_dispose(NULL));
  closures();
  puts("worlds: ok");
  return 0;
}
