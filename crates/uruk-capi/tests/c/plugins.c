/* Plugins: every phase, the graph as it is seen and changed, and what is refused. */

#define _GNU_SOURCE
#include "check.h"

struct watcher {
  int calls[9], destroyed, fault;
  uruk_dylib *dylib;
  uruk_graph *late;
  uint32_t constant, counter, entry, note;
  uint64_t address, counter_address;
  uruk_status failed_status;
  char failed_text[256];
};

enum { PRE_PRUNE, POST_PRUNE, POST_ALLOCATION, PRE_FIXUP, POST_FIXUP, LINKED, FAILED, REMOVING };

static const char *program;
static uint64_t notes[2];

static uint64_t note(uint64_t number, uint64_t address) {
  notes[number == 9] += number == 9 ? 1 : *(uint64_t *)(uintptr_t)address + number;
  return 0;
}

static void check_object(const uruk_plugin_object *object) {
  CHECK(object->struct_size == sizeof *object && strcmp(object->object, program) == 0);
  CHECK(strcmp(object->dylib, "main") == 0);
}

static uruk_graph_symbol symbol_at(uint32_t block, uint64_t offset, uint32_t binding) {
  uruk_graph_symbol symbol;
  memset(&symbol, 0, sizeof symbol);
  symbol.definition = URUK_SYMBOL_IN_BLOCK;
  symbol.block = block, symbol.value = offset, symbol.binding = binding;
  symbol.kind = URUK_TYPE_OBJECT, symbol.size = 4;
  return symbol;
}

/* What is there before anything is changed. */
static void walk(uruk_graph *graph) {
  uruk_graph_counts counts;
  uruk_graph_section section;
  uruk_graph_block block;
  uruk_graph_symbol symbol;
  uruk_graph_edge edge;
  uint8_t bytes[4] = {0};
  uint32_t number, compute, edges = 0;
  int named = 0;
  char name[64];
  OK(uruk_graph_count(graph, &counts));
  CHECK(2 < counts.sections && 1 < counts.blocks && 2 < counts.symbols);
  for (number = 0; number < counts.sections; number++) {
    OK(uruk_graph_get_section(graph, number, &section));
    CHECK(section.address == 0 && section.kind <= URUK_SECTION_UNLOADED);
    CHECK(uruk_graph_section_name(graph, number, name, sizeof name) != 0);
    named += strcmp(name, ".text") == 0 && section.kind == URUK_SECTION_CODE;
  }
  CHECK(named == 1);
  OK(uruk_graph_find_symbol(graph, "compute", &compute));
  CHECK(uruk_graph_symbol_name(graph, compute, name, sizeof name) == 7 && strcmp(name, "compute") == 0);
  OK(uruk_graph_get_symbol(graph, compute, &symbol));
  CHECK(symbol.definition == URUK_SYMBOL_IN_BLOCK && symbol.kind == URUK_TYPE_FUNCTION && symbol.size != 0);
  CHECK(symbol.binding == URUK_BINDING_GLOBAL && symbol.visibility == URUK_VISIBILITY_DEFAULT && symbol.address == 0);
  OK(uruk_graph_get_block(graph, symbol.block, &block));
  CHECK(block.live == 1 && block.zero == 0 && symbol.value + symbol.size <= block.size && block.alignment != 0);
  for (number = 0; number < block.edges; number++) {
    OK(uruk_graph_get_edge(graph, symbol.block, number, &edge));
    CHECK(edge.offset < block.size && edge.target < counts.symbols);
    edges++;
  }
  CHECK(edges != 0);
  OK(uruk_graph_read(graph, symbol.block, symbol.value, bytes, 4));
  CHECK(bytes[0] != 0);
  FAILS(URUK_INVALID, "do not lie in block", uruk_graph_read(graph, symbol.block, block.size, bytes, 1));
  FAILS(URUK_INVALID, "do not lie in block", uruk_graph_read(graph, symbol.block, UINT64_MAX, bytes, 2));
  FAILS(URUK_INVALID, "edge", uruk_graph_get_edge(graph, symbol.block, block.edges, &edge));
  FAILS(URUK_INVALID, "block", uruk_graph_get_block(graph, counts.blocks, &block));
  FAILS(URUK_INVALID, "symbol", uruk_graph_get_symbol(graph, counts.symbols, &symbol));
  FAILS(URUK_INVALID, "section", uruk_graph_get_section(graph, counts.sections, &section));
  CHECK(uruk_graph_section_name(graph, counts.sections, name, sizeof name) == 0);
  CHECK(uruk_graph_symbol_name(graph, counts.symbols, name, sizeof name) == 0);
  FAILS(URUK_MISSING, "nobody", uruk_graph_find_symbol(graph, "nobody", &number));
  CHECK(uruk_graph_count(graph, NULL) == URUK_NULL && uruk_graph_count(NULL, &counts) == URUK_NULL);
}

/* Changes that leave nothing behind. */
static void try_out(uruk_graph *graph, uint32_t section) {
  uruk_graph_symbol symbol;
  uruk_graph_block block;
  uruk_graph_edge edge = {0, URUK_EDGE_ABS64, 0, 0, 0};
  uint32_t zeros, one, other, first, second, number;
  uint8_t bytes[16] = {1, 2, 3}, read[8];
  size_t count;
  OK(uruk_graph_add_section(graph, "zeros", URUK_SECTION_ZERO, &zeros));
  OK(uruk_graph_retain_section(graph, zeros));
  OK(uruk_graph_add_zero_block(graph, zeros, 64, 8, &other));
  OK(uruk_graph_get_block(graph, other, &block));
  CHECK(block.zero == 1 && block.size == 64 && block.section == zeros);
  FAILS(URUK_INVALID, "starts as zero", uruk_graph_add_block(graph, zeros, bytes, 16, 8, &one));
  FAILS(URUK_INVALID, "power of two", uruk_graph_add_block(graph, section, bytes, 16, 3, &one));
  OK(uruk_graph_add_block(graph, section, bytes, 16, 8, &one));
  OK(uruk_graph_set_alignment(graph, one, 32));
  OK(uruk_graph_set_content(graph, one, bytes, 8));
  OK(uruk_graph_write(graph, one, 1, (const uint8_t *)"\x09", 1));
  OK(uruk_graph_read(graph, one, 0, read, 3));
  CHECK(read[0] == 1 && read[1] == 9 && read[2] == 3);
  FAILS(URUK_INVALID, "do not lie", uruk_graph_write(graph, one, 8, bytes, 1));
  OK(uruk_graph_get_block(graph, one, &block));
  CHECK(block.alignment == 32 && block.size == 8);
  symbol = symbol_at(one, 0, URUK_BINDING_LOCAL);
  OK(uruk_graph_add_symbol(graph, NULL, &symbol, &first));
  OK(uruk_graph_add_symbol(graph, "second", &symbol, &second));
  edge.target = first;
  OK(uruk_graph_add_edge(graph, one, &edge));
  OK(uruk_graph_get_edge(graph, one, 0, &edge));
  CHECK(edge.target == first && edge.kind == URUK_EDGE_ABS64);
  OK(uruk_graph_retarget(graph, one, 0, second));
  OK(uruk_graph_redirect(graph, second, first, &count));
  CHECK(count == 1);
  edge.offset = 4;
  FAILS(URUK_INVALID, "do not lie", uruk_graph_add_edge(graph, one, &edge));
  edge.offset = 0, edge.kind = 5000;
  FAILS(URUK_INVALID, "kind", uruk_graph_add_edge(graph, one, &edge));
  CHECK(uruk_graph_add_edge(graph, one, NULL) == URUK_NULL);
  FAILS(URUK_INVALID, "edge 1", uruk_graph_drop_edge(graph, one, 1));
  OK(uruk_graph_drop_edge(graph, one, 0));
  FAILS(URUK_INVALID, "edge 0", uruk_graph_get_edge(graph, one, 0, &edge));
  OK(uruk_graph_move_symbol(graph, second, one, 8));
  FAILS(URUK_INVALID, "do not lie", uruk_graph_move_symbol(graph, second, one, 9));
  OK(uruk_graph_tie(graph, one, other));
  OK(uruk_graph_drop_symbol(graph, first));
  OK(uruk_graph_drop_symbol(graph, second));
  OK(uruk_graph_drop_block(graph, one));
  OK(uruk_graph_drop_block(graph, other));
  symbol.definition = URUK_SYMBOL_COMMON;
  FAILS(URUK_INVALID, "to be added", uruk_graph_add_symbol(graph, "c", &symbol, &number));
  symbol.definition = URUK_SYMBOL_ABSOLUTE, symbol.binding = 9;
  FAILS(URUK_INVALID, "binding", uruk_graph_add_symbol(graph, "c", &symbol, &number));
  FAILS(URUK_INVALID, "kind of sections", uruk_graph_add_section(graph, "s", 99, &number));
  FAILS(URUK_NULL, "name", uruk_graph_add_section(graph, NULL, 0, &number));
}

static int32_t pre_prune(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  struct watcher *watcher = context;
  uruk_graph_symbol symbol;
  uint32_t section, number, scratch, block;
  const int constant = 1234;
  uint64_t found;
  watcher->calls[PRE_PRUNE]++;
  check_object(object);
  FAILS(URUK_BUSY, "waits for this callback", uruk_lookup(watcher->dylib, "compute", &found));
  if (watcher->fault == 1) {
    *message = uruk_message("the watcher does not like it");
    return 1;
  }
  walk(graph);
  OK(uruk_graph_add_section(graph, "constants", URUK_SECTION_RODATA, &section));
  try_out(graph, section);
  OK(uruk_graph_add_block(graph, section, (const uint8_t *)&constant, sizeof constant, 4, &watcher->constant));
  symbol = symbol_at(watcher->constant, 0, URUK_BINDING_GLOBAL);
  OK(uruk_graph_add_symbol(graph, "extra_constant", &symbol, &number));
  OK(uruk_graph_external(graph, "note", &watcher->note));
  OK(uruk_graph_external(graph, "note", &number));
  CHECK(number == watcher->note);
  OK(uruk_graph_add_section(graph, "scratch", URUK_SECTION_SCRATCH, &scratch));
  OK(uruk_graph_add_block(graph, scratch, (const uint8_t *)"\1\0\0\0\0\0\0\0", 8, 8, &block));
  symbol = symbol_at(block, 0, URUK_BINDING_LOCAL);
  OK(uruk_graph_add_symbol(graph, NULL, &symbol, &number));
  {
    uruk_graph_argument first[2] = {{0, 0, 7}, {0, 0, 0}}, last[2] = {{0, 0, 9}, {0, 0, 0}};
    uruk_graph_call finalize, deallocate;
    first[1].symbol = number;
    finalize.function = deallocate.function = watcher->note;
    finalize.argument_count = deallocate.argument_count = 2;
    finalize.arguments = first, deallocate.arguments = last;
    OK(uruk_graph_add_action(graph, &finalize, &deallocate));
    finalize.argument_count = 7;
    FAILS(URUK_INVALID, "at most 6", uruk_graph_add_action(graph, &finalize, NULL));
    finalize.argument_count = 2, finalize.function = 1u << 30;
    FAILS(URUK_INVALID, "does not exist", uruk_graph_add_action(graph, &finalize, NULL));
  }
  return 0;
}

/* Counts how often `compute` is entered. */
static int32_t post_prune(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  /* lock incq counter(%rip); jmp body */
  static const uint8_t code[] = {0xf0, 0x48, 0xff, 0x05, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0};
  struct watcher *watcher = context;
  uint32_t section, compute, body, counter_symbol;
  uruk_graph_symbol symbol, local;
  uruk_graph_edge to_counter = {4, URUK_EDGE_PC32, 0, 0, -4}, to_body = {9, URUK_EDGE_BRANCH32, 0, 0, -4};
  watcher->calls[POST_PRUNE]++;
  check_object(object);
  (void)message;
  OK(uruk_graph_find_symbol(graph, "compute", &compute));
  OK(uruk_graph_get_symbol(graph, compute, &symbol));
  local = symbol_at(symbol.block, symbol.value, URUK_BINDING_LOCAL);
  OK(uruk_graph_add_symbol(graph, NULL, &local, &body));
  OK(uruk_graph_add_section(graph, "counters", URUK_SECTION_ZERO, &section));
  OK(uruk_graph_add_zero_block(graph, section, 8, 8, &watcher->counter));
  local = symbol_at(watcher->counter, 0, URUK_BINDING_LOCAL);
  OK(uruk_graph_add_symbol(graph, "counter", &local, &counter_symbol));
  OK(uruk_graph_add_section(graph, ".text.entry", URUK_SECTION_CODE, &section));
  OK(uruk_graph_add_block(graph, section, code, sizeof code, 16, &watcher->entry));
  to_counter.target = counter_symbol, to_body.target = body;
  OK(uruk_graph_add_edge(graph, watcher->entry, &to_counter));
  OK(uruk_graph_add_edge(graph, watcher->entry, &to_body));
  OK(uruk_graph_move_symbol(graph, compute, watcher->entry, 0));
  /* What others see is settled. */
  local = symbol_at(watcher->counter, 0, URUK_BINDING_GLOBAL);
  FAILS(URUK_INVALID, "before pruning", uruk_graph_add_symbol(graph, "late", &local, &body));
  return 0;
}

static int32_t post_allocation(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  struct watcher *watcher = context;
  uruk_graph_block block;
  uruk_graph_section section;
  uint32_t compute;
  uruk_graph_symbol symbol;
  watcher->calls[POST_ALLOCATION]++;
  check_object(object);
  OK(uruk_graph_find_symbol(graph, "compute", &compute));
  OK(uruk_graph_get_symbol(graph, compute, &symbol));
  OK(uruk_graph_get_block(graph, watcher->entry, &block));
  CHECK(block.address != 0 && symbol.address == block.address);
  OK(uruk_graph_get_section(graph, block.section, &section));
  CHECK(section.address == block.address && section.size == block.size);
  FAILS(URUK_INVALID, "`pre_prune` and `post_prune` only", uruk_graph_drop_block(graph, 0));
  FAILS(URUK_INVALID, "post_fixup", uruk_graph_write(graph, watcher->entry, 0, (const uint8_t *)"x", 1));
  watcher->address = symbol.address;
  if (watcher->fault == 2) {
    (void)message;
    return 77;
  }
  return 0;
}

static int32_t pre_fixup(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  struct watcher *watcher = context;
  uruk_graph_symbol symbol;
  watcher->calls[PRE_FIXUP]++;
  check_object(object);
  (void)message;
  OK(uruk_graph_get_symbol(graph, watcher->note, &symbol));
  CHECK(symbol.address == (uint64_t)(uintptr_t)note && symbol.definition == URUK_SYMBOL_ELSEWHERE);
  return 0;
}

static int32_t post_fixup(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  struct watcher *watcher = context;
  int constant = 0;
  uint8_t code[13];
  uint32_t distance;
  uruk_graph_block block;
  watcher->calls[POST_FIXUP]++;
  check_object(object);
  (void)message;
  OK(uruk_graph_read(graph, watcher->constant, 0, (uint8_t *)&constant, sizeof constant));
  CHECK(constant == 1234);
  constant = 4321;
  OK(uruk_graph_write(graph, watcher->constant, 0, (const uint8_t *)&constant, sizeof constant));
  /* The fixed-up distance leads to the counter. */
  OK(uruk_graph_read(graph, watcher->entry, 0, code, sizeof code));
  memcpy(&distance, code + 4, 4);
  OK(uruk_graph_get_block(graph, watcher->counter, &block));
  CHECK(watcher->address + 8 + (uint64_t)(int64_t)(int32_t)distance == block.address);
  watcher->counter_address = block.address;
  OK(uruk_graph_read(graph, watcher->counter, 0, code, 8));
  CHECK(code[0] == 0 && code[7] == 0);
  FAILS(URUK_INVALID, "has no bytes", uruk_graph_write(graph, watcher->counter, 0, code, 1));
  return 0;
}

static void linked(void *context, const uruk_plugin_object *object, uruk_graph *graph) {
  struct watcher *watcher = context;
  uruk_graph_counts counts;
  watcher->calls[LINKED]++;
  check_object(object);
  OK(uruk_graph_count(graph, &counts));
  FAILS(URUK_INVALID, "is lent", uruk_graph_dispose(graph));
  watcher->late = graph;
}

static void failed(void *context, const uruk_plugin_object *object, uruk_status status, const char *message) {
  struct watcher *watcher = context;
  watcher->calls[FAILED]++;
  check_object(object);
  watcher->failed_status = status;
  snprintf(watcher->failed_text, sizeof watcher->failed_text, "%s", message);
}

static void removing(void *context, const uruk_plugin_object *object) {
  ((struct watcher *)context)->calls[REMOVING]++;
  check_object(object);
}

static void destroy(void *context) {
  ((struct watcher *)context)->destroyed++;
}

static uruk_jit *open_jit(struct watcher *watcher) {
  uruk_jit *jit;
  uruk_plugin_callbacks callbacks;
  uruk_symbol symbol;
  memset(watcher, 0, sizeof *watcher);
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &watcher->dylib));
  OK(uruk_plugin_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = watcher;
  callbacks.name = "watcher";
  callbacks.pre_prune = pre_prune, callbacks.post_prune = post_prune;
  callbacks.post_allocation = post_allocation, callbacks.pre_fixup = pre_fixup, callbacks.post_fixup = post_fixup;
  callbacks.linked = linked, callbacks.failed = failed, callbacks.removing = removing, callbacks.destroy = destroy;
  OK(uruk_jit_add_plugin(jit, &callbacks));
  callbacks.magic++;
  FAILS(URUK_BAD_MAGIC, "`_init`", uruk_jit_add_plugin(jit, &callbacks));
  CHECK(uruk_jit_add_plugin(jit, NULL) == URUK_NULL);
  symbol.name = "note";
  symbol.address = (uint64_t)(uintptr_t)note;
  OK(uruk_dylib_define(watcher->dylib, &symbol, 1));
  return jit;
}

static void works(void) {
  struct watcher watcher;
  uruk_jit *jit = open_jit(&watcher);
  uruk_tracker *tracker;
  uruk_graph_counts counts;
  uint64_t address, count;
  int (*compute)(int), *constant, i;
  OK(uruk_tracker_create(watcher.dylib, &tracker));
  OK(uruk_dylib_add_object_files(watcher.dylib, tracker, &program, 1));
  OK(uruk_lookup(watcher.dylib, "compute", &address));
  CHECK(address == watcher.address);
  FUNCTION(int (*)(int), compute, address);
  CHECK(compute(37) == 42 && compute(1) == 6);
  memcpy(&count, (void *)(uintptr_t)watcher.counter_address, sizeof count);
  CHECK(count == 2);
  OK(uruk_lookup(watcher.dylib, "extra_constant", &address));
  FUNCTION(int *, constant, address);
  CHECK(*constant == 4321);
  for (i = PRE_PRUNE; i <= LINKED; i++) {
    CHECK(watcher.calls[i] == 1);
  }
  /* The action was given what the scratch section had. */
  CHECK(notes[0] == 8 && notes[1] == 0);
  FAILS(URUK_GONE, "gone", uruk_graph_count(watcher.late, &counts));
  CHECK(watcher.calls[REMOVING] == 0);
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  CHECK(watcher.calls[REMOVING] == 1 && notes[1] == 1 && watcher.destroyed == 0);
  OK(uruk_jit_destroy(jit));
  CHECK(watcher.destroyed == 1 && watcher.calls[FAILED] == 0);
}

/* Graphs that stay, of an object that was linked without a plugin. */
static void retained(void) {
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uruk_graph *graphs[2];
  uruk_graph_symbol symbol;
  size_t count;
  uint32_t number;
  uint64_t address;
  char name[256];
  OK(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, &program, 1));
  OK(uruk_dylib_retained_graphs(dylib, NULL, 0, &count));
  CHECK(count == 0);
  OK(uruk_lookup(dylib, "compute", &address));
  OK(uruk_dylib_retained_graphs(dylib, graphs, 2, &count));
  CHECK(count == 1 && uruk_graph_object(graphs[0], name, sizeof name) == strlen(program) && strcmp(name, program) == 0);
  OK(uruk_graph_find_symbol(graphs[0], "compute", &number));
  OK(uruk_graph_get_symbol(graphs[0], number, &symbol));
  CHECK(symbol.address == address);
  FAILS(URUK_INVALID, "can be changed by", uruk_graph_drop_symbol(graphs[0], number));
  CHECK(uruk_dylib_retained_graphs(dylib, NULL, 1, &count) == URUK_NULL);
  OK(uruk_jit_destroy(jit));
  OK(uruk_graph_get_symbol(graphs[0], number, &symbol));
  OK(uruk_graph_dispose(graphs[0]));
  FAILS(URUK_GONE, "gone", uruk_graph_get_symbol(graphs[0], number, &symbol));
  OK(uruk_graph_dispose(NULL));
}

static void fails(int fault, const char *text, int linked_so_far) {
  struct watcher watcher;
  uruk_jit *jit = open_jit(&watcher);
  uint64_t address;
  watcher.fault = fault;
  OK(uruk_dylib_add_object_files(watcher.dylib, NULL, &program, 1));
  FAILS(URUK_CALLBACK, text, uruk_lookup(watcher.dylib, "compute", &address));
  CHECK(watcher.calls[FAILED] == 1 && watcher.failed_status == URUK_CALLBACK);
  CHECK(strstr(watcher.failed_text, text) != NULL && strstr(watcher.failed_text, "watcher") != NULL);
  CHECK(watcher.calls[POST_ALLOCATION] == linked_so_far && watcher.calls[LINKED] == 0 && watcher.calls[REMOVING] == 0);
  OK(uruk_jit_destroy(jit));
  CHECK(watcher.destroyed == 1);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  works();
  retained();
  fails(1, "`pre_prune`: the watcher does not like it", 0);
  fails(2, "`post_allocation` failed with 77 and no message", 1);
  puts("plugins: ok");
  return 0;
}
