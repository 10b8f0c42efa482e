/* What may be called from callbacks succeeds in all of them; what would wait is told so in those that the linker waits for, and works in the
 * others. */

#define _GNU_SOURCE
#include "check.h"
#include "segments.h"
#include <pthread.h>

enum place {
  SPAN, CREATE_CONTEXT, DESTROY_CONTEXT, ALLOCATE, FINALIZE, ABANDON, RELEASE, DEALLOCATE,
  PRE_PRUNE, POST_PRUNE, POST_ALLOCATION, PRE_FIXUP, POST_FIXUP, LINKED, FAILED, REMOVING, LOADED, FREED,
  /* From here on everything works. */
  GENERATE, GENERATE_LATER, MATERIALIZE, TOLD, DISPATCH, GET, PUT, PLACES
};

static const char *object;
static uruk_jit *jit;
static uruk_dylib *program;
static uruk_name ready;
static uruk_responsibility *held;
static int been[PLACES], fails, busy_settlings, kept;

/* What may be called anywhere and needs nothing. */
static void anywhere(void) {
  uruk_options options;
  uruk_unit unit;
  uint8_t key[32];
  uruk_cache *cache;
  uruk_error *error;
  char text[64];
  OK(uruk_options_init(&options, sizeof options));
  OK(uruk_unit_init(&unit, sizeof unit));
  OK(uruk_cache_key("a compiler", NULL, 0, key));
  cache = NULL;
  FAILS(URUK_NULL, "cache", uruk_cache_create_memory(1 << 20, NULL));
  FAILS(URUK_NULL, "uruk_cache_callbacks", uruk_cache_create(NULL, &cache));
  error = uruk_error_last();
  CHECK(uruk_error_status(error) == URUK_NULL && strstr(uruk_error_message(error), "uruk_cache") != NULL);
  OK(uruk_error_dispose(error));
  CHECK(uruk_last_status() == URUK_NULL && uruk_last_message(text, sizeof text) != 0);
  CHECK(uruk_executor_triple(NULL, text, sizeof text) == 0);
  CHECK(uruk_message(NULL) == NULL && uruk_abi_version() == URUK_ABI_VERSION && uruk_version() != NULL);
  CHECK(uruk_struct_size(URUK_STRUCT_UNIT) != 0);
}

/* A callback is called. */
static void inside(enum place place) {
  uruk_dylib *found;
  uruk_error *report;
  uruk_name name;
  uruk_tracker *tracker;
  uint64_t address = 0;
  size_t count;
  char text[64];
  __atomic_add_fetch(&been[place], 1, __ATOMIC_SEQ_CST);
  anywhere();
  /* The last callbacks of all come when the JIT is gone. */
  if (uruk_jit_main(jit, &found) == URUK_GONE) return;
  CHECK(found == program);
  OK(uruk_jit_find_dylib(jit, "main", &found));
  CHECK(found == program && uruk_dylib_name(program, text, sizeof text) == 4);
  OK(uruk_name_intern(jit, "ready", &name));
  CHECK(name == ready && uruk_name_text(jit, name, text, sizeof text) == 5);
  OK(uruk_jit_take_report(jit, &report));
  OK(uruk_error_dispose(report));
  if (held != NULL) {
    CHECK(uruk_responsibility_name(held, text, sizeof text) == 6);
    OK(uruk_responsibility_dylib(held, &found));
    OK(uruk_responsibility_owed(held, NULL, 0, &count));
    OK(uruk_responsibility_requested(held, NULL, 0, &count));
  }
  if (place < GENERATE) {
    FAILS(URUK_BUSY, "waits for this callback", uruk_lookup(program, "ready", &address));
    FAILS(URUK_BUSY, "waits for this callback", uruk_tracker_create(program, &tracker));
    FAILS(URUK_BUSY, "waits for this callback", uruk_jit_quiesce(jit));
    FAILS(URUK_BUSY, "waits for this callback", uruk_jit_destroy(jit));
    FAILS(URUK_BUSY, "waits for this callback", uruk_dylib_clear(program));
    FAILS(URUK_BUSY, "waits for this callback", uruk_jit_create(NULL, &jit));
  } else {
    OK(uruk_lookup(program, "ready", &address));
    CHECK(address == 0x1234);
    OK(uruk_tracker_create(program, &tracker));
    OK(uruk_tracker_dispose(tracker));
  }
}

static int32_t span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  (void)context, (void)placement, (void)message;
  inside(SPAN);
  *start = 0, *end = INT64_MAX;
  return 0;
}

static int32_t create_context(void *shared, const uruk_memory_request *request, void **created, char **message) {
  (void)shared, (void)request, (void)message;
  inside(CREATE_CONTEXT);
  *created = calloc(1, sizeof(struct segments));
  return 0;
}

static void destroy_context(void *created) {
  inside(DESTROY_CONTEXT);
  free(created);
}

/* Settles a responsibility while another call is using it. */
static void *settle(void *none) {
  FAILS(URUK_BUSY, "another thread is using", uruk_responsibility_emit(held, NULL, 0));
  FAILS(URUK_BUSY, "another thread is using", uruk_responsibility_dispose(held));
  busy_settlings++;
  return none;
}

static int32_t allocate(void *created, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  pthread_t thread;
  uint64_t i;
  (void)message;
  inside(ALLOCATE);
  if (held != NULL) {
    CHECK(pthread_create(&thread, NULL, settle, NULL) == 0 && pthread_join(thread, NULL) == 0);
  }
  for (i = 0; i < request->segment_count; i++) {
    char *pages = mmap(NULL, request->segments[i].size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    place(created, &request->segments[i], pages, &answers[i]);
  }
  return 0;
}

static int32_t finalize(void *created, uint64_t allocation, char **message) {
  (void)allocation, (void)message;
  inside(FINALIZE);
  return fails == 2 ? 1 : protect(created);
}

static void unmap(struct segments *segments) {
  uint64_t i;
  for (i = 0; i < segments->count; i++) CHECK(munmap(segments->at[i].start, segments->at[i].size) == 0);
}

static void abandon(void *created, uint64_t allocation) {
  (void)allocation;
  inside(ABANDON);
  unmap(created);
}

static void release(void *created, uint64_t allocation, const uruk_memory_piece *piece) {
  (void)created, (void)allocation, (void)piece;
  inside(RELEASE);
}

static void deallocate(void *created, uint64_t allocation) {
  (void)allocation;
  inside(DEALLOCATE);
  unmap(created);
}

#define PHASE(name, place)                                                                                        \
  static int32_t name(void *context, const uruk_plugin_object *seen, uruk_graph *graph, char **message) {         \
    uruk_graph_counts counts;                                                                                     \
    (void)context, (void)seen;                                                                                    \
    inside(place);                                                                                                \
    OK(uruk_graph_count(graph, &counts));                                                                         \
    if (place != POST_FIXUP || fails != 1) return 0;                                                              \
    *message = uruk_message("it is to fail");                                                                     \
    return 1;                                                                                                     \
  }
PHASE(pre_prune, PRE_PRUNE)
PHASE(post_prune, POST_PRUNE)
PHASE(post_allocation, POST_ALLOCATION)
PHASE(pre_fixup, PRE_FIXUP)
PHASE(post_fixup, POST_FIXUP)

static void linked(void *context, const uruk_plugin_object *seen, uruk_graph *graph) {
  (void)context, (void)seen, (void)graph;
  inside(LINKED);
}

static void failed(void *context, const uruk_plugin_object *seen, uruk_status status, const char *message) {
  (void)context, (void)seen, (void)status, (void)message;
  inside(FAILED);
}

static void removing(void *context, const uruk_plugin_object *seen) {
  (void)context, (void)seen;
  inside(REMOVING);
}

static void loaded(void *context, const uruk_loaded *seen) {
  (void)context, (void)seen;
  inside(LOADED);
}

static void freed(void *context, uint64_t id) {
  (void)context, (void)id;
  inside(FREED);
}

static int32_t generate(void *context, const uruk_wanted *wanted, char **message) {
  (void)context, (void)wanted, (void)message;
  inside(GENERATE);
  return 0;
}

static void generate_later(void *context, const uruk_wanted *wanted, uruk_suspended *suspended) {
  (void)context, (void)wanted;
  inside(GENERATE_LATER);
  OK(uruk_suspended_finish(suspended, 0, NULL));
}

static void end_kept(void *context) {
  (void)context;
  kept++;
  /* It would wait for this to return. */
  FAILS(URUK_BUSY, "being removed", uruk_jit_quiesce(jit));
}

static void materialize(void *context, uruk_responsibility *responsibility) {
  uruk_resolved resolved = {0, 0, 0};
  size_t count;
  (void)context;
  held = responsibility;
  inside(MATERIALIZE);
  OK(uruk_responsibility_owed(responsibility, &resolved.name, 1, &count));
  OK(uruk_responsibility_write(responsibility, URUK_KIND_DATA, (const uint8_t *)"x", 1, 1, &resolved.address));
  OK(uruk_responsibility_keep(responsibility, NULL, end_kept));
  held = NULL;
  OK(uruk_responsibility_resolve(responsibility, &resolved, 1));
  OK(uruk_responsibility_emit(responsibility, NULL, 0));
}

static void told(void *context, uruk_status status, const char *message, const uint64_t *addresses, size_t count) {
  (void)context, (void)message, (void)addresses;
  CHECK(status == URUK_OK && count == 1);
  inside(TOLD);
}

static void dispatch(void *context, uruk_task *task, uint32_t priority) {
  (void)context, (void)priority;
  inside(DISPATCH);
  OK(uruk_task_run(task));
}

static int32_t get(void *context, const uint8_t *key, uruk_sink *sink, char **message) {
  (void)context, (void)key, (void)sink, (void)message;
  inside(GET);
  return 0;
}

static int32_t put(void *context, const uint8_t *key, const uint8_t *bytes, size_t size, char **message) {
  (void)context, (void)key, (void)bytes, (void)size, (void)message;
  inside(PUT);
  return 0;
}

/* A JIT all of whose callbacks are the client's. */
static void open_jit(void) {
  uruk_memory_callbacks memory;
  uruk_dispatcher_callbacks dispatcher;
  uruk_cache_callbacks store;
  uruk_plugin_callbacks plugin;
  uruk_listener_callbacks listener;
  uruk_memory_manager *manager;
  uruk_cache *cache;
  uruk_options options;
  uruk_symbol symbol = {"ready", 0x1234};
  OK(uruk_memory_callbacks_init(&memory, sizeof memory));
  memory.span = span, memory.create_context = create_context, memory.destroy_context = destroy_context;
  memory.allocate = allocate, memory.finalize = finalize, memory.abandon = abandon;
  memory.release = release, memory.deallocate = deallocate;
  OK(uruk_memory_manager_create(&memory, &manager));
  OK(uruk_cache_callbacks_init(&store, sizeof store));
  store.get = get, store.put = put;
  OK(uruk_cache_create(&store, &cache));
  OK(uruk_dispatcher_callbacks_init(&dispatcher, sizeof dispatcher));
  dispatcher.dispatch = dispatch;
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager, options.cache = cache, options.dispatcher = &dispatcher;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_cache_dispose(cache));
  OK(uruk_jit_main(jit, &program));
  OK(uruk_dylib_define(program, &symbol, 1));
  OK(uruk_name_intern(jit, "ready", &ready));
  OK(uruk_plugin_callbacks_init(&plugin, sizeof plugin));
  plugin.pre_prune = pre_prune, plugin.post_prune = post_prune, plugin.post_allocation = post_allocation;
  plugin.pre_fixup = pre_fixup, plugin.post_fixup = post_fixup;
  plugin.linked = linked, plugin.failed = failed, plugin.removing = removing;
  OK(uruk_jit_add_plugin(jit, &plugin));
  OK(uruk_listener_callbacks_init(&listener, sizeof listener));
  listener.loaded = loaded, listener.freed = freed;
  OK(uruk_jit_add_listener(jit, &listener));
}

static void add_generators(uruk_dylib *dylib) {
  uruk_generator_callbacks generator;
  OK(uruk_generator_callbacks_init(&generator, sizeof generator));
  generator.generate = generate;
  OK(uruk_dylib_add_generator(dylib, &generator));
  generator.generate = NULL, generator.generate_later = generate_later;
  OK(uruk_dylib_add_generator(dylib, &generator));
}

int main(int argc, char **argv) {
  static const char *const function = "function %seven() -> i32 { block0: v0 = iconst.i32 7  return v0 }";
  const char *names[] = {"ready"};
  uruk_definition definition = {0, 0};
  uruk_tracker *tracker;
  uruk_dylib *dylib;
  uruk_unit unit;
  uint64_t address;
  int place;
  CHECK(argc == 2);
  object = argv[1];
  open_jit();
  OK(uruk_tracker_create(program, &tracker));
  OK(uruk_dylib_add_object_files(program, tracker, &object, 1));
  OK(uruk_lookup(program, "compute", &address));
  OK(uruk_lookup_start(program, names, 1, 0, told, NULL));
  OK(uruk_name_intern(jit, "unit", &definition.name));
  OK(uruk_unit_init(&unit, sizeof unit));
  unit.definitions = &definition, unit.definition_count = 1, unit.materialize = materialize;
  OK(uruk_dylib_define_unit(program, tracker, &unit));
  OK(uruk_lookup(program, "unit", &address));
  CHECK(busy_settlings == 1 && kept == 0);
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  CHECK(kept == 1);
  OK(uruk_jit_create_dylib(jit, "another", &dylib));
  add_generators(dylib);
  OK(uruk_dylib_add_clif(dylib, NULL, "seven.clif", function));
  OK(uruk_lookup(dylib, "seven", &address));
  FAILS(URUK_MISSING, "nobody", uruk_lookup(dylib, "nobody", &address));
  fails = 1;
  OK(uruk_dylib_add_object_files(dylib, NULL, &object, 1));
  FAILS(URUK_CALLBACK, "it is to fail", uruk_lookup(dylib, "compute", &address));
  fails = 2;
  OK(uruk_jit_create_dylib(jit, "a third", &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, &object, 1));
  FAILS(URUK_CALLBACK, "`finalize`", uruk_lookup(dylib, "compute", &address));
  for (place = 0; place < PLACES; place++) {
    if (been[place] == 0) fprintf(stderr, "callback %d was not called\n", place);
    CHECK(been[place] != 0);
  }
  OK(uruk_jit_destroy(jit));
  puts("callbacks: ok");
  return 0;
}
