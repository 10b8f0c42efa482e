/* Every mistake that can be made with structures and handles is told from the others, and does no harm. */

#include "check.h"

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  (void)context, (void)request, (void)answers, (void)message;
  return 1;
}

static void deallocate(void *context, uint64_t allocation) {
  (void)context, (void)allocation;
}

static int32_t finalize(void *context, uint64_t allocation, char **message) {
  (void)context, (void)allocation, (void)message;
  return 0;
}

static int32_t create_context(void *context, const uruk_memory_request *request, void **created, char **message) {
  (void)context, (void)request, (void)created, (void)message;
  return 0;
}

/* The start of every structure that clients fill in, and room for any of them. */
struct head {
  uint32_t size, version;
  uint64_t magic;
};

union any {
  struct head head;
  unsigned char bytes[512];
};

/* A structure that clients fill in: how that is done, and something that takes it. */
struct structure {
  const char *name;
  uint32_t number;
  size_t size;
  uruk_status (*init)(void *structure, size_t size);
  uruk_status (*use)(const void *structure);
  /* What comes of it as `init` leaves it. */
  uruk_status unset;
};

static uruk_jit *user;
static uruk_dylib *used;

static uruk_status use_memory_callbacks(const void *callbacks) {
  uruk_memory_manager *manager = NULL;
  uruk_status status = uruk_memory_manager_create(callbacks, &manager);
  CHECK((status == URUK_OK) == (manager != NULL));
  if (manager != NULL) OK(uruk_memory_manager_dispose(manager));
  return status;
}

static uruk_status use_memory_options(const void *options) {
  uruk_memory_manager *manager = NULL;
  uruk_status status = uruk_memory_manager_create_stock(options, &manager);
  CHECK((status == URUK_OK) == (manager != NULL));
  if (manager != NULL) OK(uruk_memory_manager_dispose(manager));
  return status;
}

static uruk_status use_options(const void *options) {
  uruk_jit *jit = NULL;
  uruk_status status = uruk_jit_create(options, &jit);
  CHECK((status == URUK_OK) == (jit != NULL));
  if (jit != NULL) OK(uruk_jit_destroy(jit));
  return status;
}

static uruk_status use_unit(const void *unit) { return uruk_dylib_define_unit(used, NULL, unit); }

static uruk_status use_generator_callbacks(const void *callbacks) { return uruk_dylib_add_generator(used, callbacks); }

static uruk_status use_plugin_callbacks(const void *callbacks) { return uruk_jit_add_plugin(user, callbacks); }

static uruk_status use_listener_callbacks(const void *callbacks) { return uruk_jit_add_listener(user, callbacks); }

static uruk_status use_dispatcher_callbacks(const void *callbacks) {
  uruk_options options;
  OK(uruk_options_init(&options, sizeof options));
  options.dispatcher = callbacks;
  return use_options(&options);
}

static uruk_status use_cache_callbacks(const void *callbacks) {
  uruk_cache *cache = NULL;
  uruk_status status = uruk_cache_create(callbacks, &cache);
  CHECK(cache == NULL);
  return status;
}

static uruk_status use_executor_options(const void *options) {
  uruk_executor *executor = NULL;
  uruk_status status = uruk_executor_connect("unix:/no/such/socket", options, &executor);
  CHECK(executor == NULL);
  return status;
}

/* What is newer than the first header that was released. */
#ifdef URUK_STRUCT_IMAGE_OPTIONS
static uruk_world *described;

static uruk_status use_object_type(const void *type) {
  uruk_type_id id;
  return uruk_world_add_type(described, type, &id);
}

static uruk_status use_entry_options(const void *options) { return uruk_world_add_pointer(described, 8, "stdin", options); }

static uruk_status use_heap_callbacks(const void *callbacks) {
  uruk_closure *closure = NULL;
  uruk_status status = uruk_world_trace(described, NULL, 0, callbacks, &closure);
  CHECK(closure == NULL);
  return status;
}

static uruk_status use_image_options(const void *options) {
  uruk_image *image = NULL;
  uruk_status status = uruk_image_make(options, &image);
  CHECK(image == NULL);
  return status;
}

static uruk_status use_load_options(const void *options) {
  uruk_mapped *image = NULL;
  uruk_status status = uruk_mapped_load(options, &image);
  CHECK(image == NULL);
  return status;
}
#endif

#define INIT(name) \
  static uruk_status init_##name(void *structure, size_t size) { return uruk_##name##_init(structure, size); }
INIT(memory_callbacks)
INIT(memory_options)
INIT(options)
INIT(unit)
INIT(generator_callbacks)
INIT(plugin_callbacks)
INIT(listener_callbacks)
INIT(dispatcher_callbacks)
INIT(cache_callbacks)
INIT(executor_options)
#ifdef URUK_STRUCT_IMAGE_OPTIONS
INIT(object_type)
INIT(entry_options)
INIT(heap_callbacks)
INIT(image_options)
INIT(load_options)
#endif

#define STRUCTURE(name, number, unset) \
  { "uruk_" #name " is NULL", URUK_STRUCT_##number, sizeof(uruk_##name), init_##name, use_##name, unset }
static const struct structure STRUCTURES[] = {
    STRUCTURE(memory_callbacks, MEMORY_CALLBACKS, URUK_OK),
    STRUCTURE(memory_options, MEMORY_OPTIONS, URUK_OK),
    STRUCTURE(options, OPTIONS, URUK_OK),
    STRUCTURE(unit, UNIT, URUK_NULL),
    STRUCTURE(generator_callbacks, GENERATOR_CALLBACKS, URUK_INVALID),
    STRUCTURE(plugin_callbacks, PLUGIN_CALLBACKS, URUK_OK),
    STRUCTURE(listener_callbacks, LISTENER_CALLBACKS, URUK_OK),
    STRUCTURE(dispatcher_callbacks, DISPATCHER_CALLBACKS, URUK_NULL),
    STRUCTURE(cache_callbacks, CACHE_CALLBACKS, URUK_HALF_PAIR),
    STRUCTURE(executor_options, EXECUTOR_OPTIONS, URUK_EXECUTOR),
#ifdef URUK_STRUCT_IMAGE_OPTIONS
    STRUCTURE(object_type, OBJECT_TYPE, URUK_NULL),
    STRUCTURE(entry_options, ENTRY_OPTIONS, URUK_OK),
    STRUCTURE(heap_callbacks, HEAP_CALLBACKS, URUK_NULL),
    STRUCTURE(image_options, IMAGE_OPTIONS, URUK_INVALID),
    STRUCTURE(load_options, LOAD_OPTIONS, URUK_NULL),
#endif
};
enum { COUNT = sizeof STRUCTURES / sizeof *STRUCTURES };

/* What `_init` refuses, and what it writes. */
static void filling_in(const struct structure *structure, uint64_t magics[COUNT]) {
  size_t known = uruk_struct_size(structure->number), i;
  union any any;
  CHECK(sizeof any.head < known && structure->size <= known && known < sizeof any - 8);
  FAILS(URUK_NULL, structure->name, structure->init(NULL, structure->size));
  FAILS(URUK_ZERO_SIZE, "size is 0", structure->init(&any, 0));
  FAILS(URUK_TOO_SMALL, "every version has 16", structure->init(&any, 15));
  FAILS(URUK_TOO_LARGE, "newer than the library", structure->init(&any, known + 8));
  FAILS(URUK_INVALID, "not aligned", structure->init(any.bytes + 1, structure->size));
  memset(&any, 0xee, sizeof any);
  OK(structure->init(&any, structure->size));
  CHECK(any.head.size == structure->size && any.head.version == URUK_ABI_VERSION);
  for (i = sizeof any.head; i < sizeof any; i++) {
    CHECK(any.bytes[i] == (i < structure->size ? 0 : 0xee));
  }
  magics[structure - STRUCTURES] = any.head.magic;
}

/* What is refused of a structure that was filled in and altered, each way for itself. */
static void altered(const struct structure *structure, const uint64_t magics[COUNT]) {
  const size_t known = uruk_struct_size(structure->number);
  const struct {
    struct head head;
    uruk_status status;
    const char *part;
  } heads[] = {
      {{structure->size, 0, 0}, URUK_UNKNOWN_VERSION, "version 0"},
      {{structure->size, URUK_ABI_VERSION + 1, 0}, URUK_UNKNOWN_VERSION, "version 2"},
      {{0, URUK_ABI_VERSION, 0}, URUK_ZERO_SIZE, "size is 0"},
      {{15, URUK_ABI_VERSION, 0}, URUK_TOO_SMALL, "every version has 16"},
      {{known + 8, URUK_ABI_VERSION, 0}, URUK_TOO_LARGE, "newer than the library"},
      {{UINT32_MAX, URUK_ABI_VERSION, 0}, URUK_TOO_LARGE, "newer than the library"},
  };
  union any any;
  size_t i;
  OK(structure->init(&any, structure->size));
  for (i = 0; i < sizeof heads / sizeof *heads; i++) {
    any.head = heads[i].head;
    any.head.magic = magics[structure - STRUCTURES];
    FAILS(heads[i].status, heads[i].part, structure->use(&any));
  }
  OK(structure->init(&any, structure->size));
  for (i = 0; i < COUNT; i++) {
    any.head.magic = magics[i];
    if (i != (size_t)(structure - STRUCTURES)) {
      FAILS(URUK_BAD_MAGIC, "`_init` function", structure->use(&any));
    }
  }
  any.head.magic = magics[structure - STRUCTURES] ^ 1;
  FAILS(URUK_BAD_MAGIC, "`_init` function", structure->use(&any));
  memset(&any, 0, sizeof any);
  FAILS(URUK_BAD_MAGIC, "mark is 0x0", structure->use(&any));
  FAILS(URUK_INVALID, "not aligned", structure->use(any.bytes + 1));
}

/* One that is filled in works; and one that ends behind its head is one with zeros there. */
static void filled_in(const struct structure *structure) {
  union any any;
  OK(structure->init(&any, structure->size));
  CHECK(structure->use(&any) == structure->unset);
  memset(&any, 0xff, sizeof any);
  OK(structure->init(&any, sizeof any.head));
  CHECK(structure->use(&any) == structure->unset);
}

static void structures(void) {
  uint64_t magics[COUNT];
  size_t i;
#ifdef URUK_STRUCT_IMAGE_OPTIONS
  CHECK(COUNT == 15 && uruk_struct_size(COUNT + 1) == 0);
  OK(uruk_world_create(&described));
#else
  CHECK(COUNT == 10);
#endif
  CHECK(uruk_struct_size(0) == 0);
  OK(uruk_jit_create(NULL, &user));
  OK(uruk_jit_main(user, &used));
  for (i = 0; i < COUNT; i++) filling_in(&STRUCTURES[i], magics);
  for (i = 0; i < COUNT; i++) altered(&STRUCTURES[i], magics);
  for (i = 0; i < COUNT; i++) filled_in(&STRUCTURES[i]);
#ifdef URUK_STRUCT_IMAGE_OPTIONS
  OK(uruk_world_dispose(described));
#endif
  OK(uruk_jit_destroy(user));
}

/* Null is a mistake for some, and the default for others. */
static void null_structures(void) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager = (uruk_memory_manager *)&manager;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uruk_cache *cache;
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  FAILS(URUK_NULL, "is NULL", uruk_memory_manager_create(NULL, &manager));
  FAILS(URUK_NULL, "is NULL", uruk_dylib_define_unit(dylib, NULL, NULL));
  FAILS(URUK_NULL, "is NULL", uruk_dylib_add_generator(dylib, NULL));
  FAILS(URUK_NULL, "is NULL", uruk_jit_add_plugin(jit, NULL));
  FAILS(URUK_NULL, "is NULL", uruk_jit_add_listener(jit, NULL));
  FAILS(URUK_NULL, "is NULL", uruk_cache_create(NULL, &cache));
  CHECK(use_options(NULL) == URUK_OK && use_memory_options(NULL) == URUK_OK);
  CHECK(use_dispatcher_callbacks(NULL) == URUK_OK && use_executor_options(NULL) == URUK_EXECUTOR);
  OK(uruk_jit_destroy(jit));
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  FAILS(URUK_NULL, "manager is NULL", uruk_memory_manager_create(&callbacks, NULL));
  callbacks.flags = 0x8000;
  FAILS(URUK_INVALID, "unknown flags", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.flags = 0;
  callbacks.reserved = 1;
  FAILS(URUK_INVALID, "unknown flags", uruk_memory_manager_create(&callbacks, &manager));
  CHECK(manager == (uruk_memory_manager *)&manager);
}

static void halves(void) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.allocate = allocate;
  FAILS(URUK_HALF_PAIR, "`allocate` makes no sense without `deallocate`", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.allocate = NULL;
  callbacks.deallocate = deallocate;
  FAILS(URUK_HALF_PAIR, "`deallocate` makes no sense without `allocate`", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.deallocate = NULL;
  callbacks.finalize = finalize;
  FAILS(URUK_HALF_PAIR, "`finalize` makes no sense without `allocate`", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.allocate = allocate;
  callbacks.deallocate = deallocate;
  callbacks.create_context = create_context;
  FAILS(URUK_HALF_PAIR, "without `destroy_context`", uruk_memory_manager_create(&callbacks, &manager));
}

static void handles(void) {
  uruk_jit *jit, *other;
  uruk_dylib *dylib, *foreign, *second;
  uruk_tracker *tracker, *strange;
  uruk_options options;
  uint64_t address, word;
  char text[8];
  const char *names[2] = {"a", NULL};
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_create(NULL, &other));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_jit_main(jit, &second));
  CHECK(dylib == second);
  OK(uruk_jit_main(other, &foreign));
  FAILS(URUK_NULL, "a uruk_jit is wanted, not NULL", uruk_jit_main(NULL, &dylib));
  FAILS(URUK_WRONG_KIND, "this is a uruk_dylib", uruk_jit_main((uruk_jit *)dylib, &second));
  FAILS(URUK_NOT_A_HANDLE, "never one", uruk_jit_main((uruk_jit *)&jit, &second));
  FAILS(URUK_NOT_A_HANDLE, "never one", uruk_jit_main((uruk_jit *)(uintptr_t)12, &second));
  FAILS(URUK_NOT_A_HANDLE, "never one", uruk_jit_main((uruk_jit *)((uintptr_t)jit + 1), &second));
  FAILS(URUK_NOT_A_HANDLE, "never one", uruk_jit_main((uruk_jit *)((uintptr_t)jit + ((uintptr_t)9 << 40)), &second));
  FAILS(URUK_NULL, "name is NULL", uruk_lookup(dylib, NULL, &address));
  FAILS(URUK_NULL, "address is NULL", uruk_lookup(dylib, "f", NULL));
  FAILS(URUK_NOT_UTF8, "name is not UTF-8", uruk_lookup(dylib, "\xff", &address));
  FAILS(URUK_MISSING, "nobody_has_this", uruk_lookup(dylib, "nobody_has_this", &address));
  FAILS(URUK_NULL, "a name is NULL", uruk_lookup_all(dylib, names, 2, 0, &address));
  FAILS(URUK_INVALID, "unknown flags", uruk_lookup_all(dylib, names, 1, 0x80, &address));
  FAILS(URUK_INVALID, "cannot have", uruk_lookup_all(dylib, names, SIZE_MAX, 0, &address));
  OK(uruk_lookup_all(dylib, NULL, 0, 0, NULL));
  word = 7;
  OK(uruk_lookup_all(dylib, names, 1, URUK_LOOKUP_WEAK, &word));
  CHECK(word == 0);
  FAILS(URUK_INVALID, "two JITs", uruk_dylib_link_against(dylib, &foreign, 1));
  OK(uruk_tracker_create(dylib, &tracker));
  OK(uruk_tracker_create(foreign, &strange));
  FAILS(URUK_INVALID, "two JITs", uruk_tracker_transfer(tracker, strange));
  FAILS(URUK_INVALID, "another dylib", uruk_dylib_add_object(dylib, strange, NULL, (const uint8_t *)"x", 1));
  FAILS(URUK_LINK, "junk.o", uruk_dylib_add_object(dylib, tracker, "junk.o", (const uint8_t *)"this is no object", 17));
  FAILS(URUK_FILE, "no/such/file.o", uruk_dylib_add_file(dylib, "no/such/file.o"));
  FAILS(URUK_DUPLICATE, "main", uruk_jit_create_dylib(jit, "main", &second));
  OK(uruk_tracker_dispose(tracker));
  FAILS(URUK_GONE, "uruk_tracker is gone", uruk_tracker_remove(tracker));
  FAILS(URUK_GONE, "uruk_tracker is gone", uruk_tracker_dispose(tracker));
  OK(uruk_tracker_dispose(NULL));
  OK(uruk_jit_create_dylib(jit, "short", &second));
  CHECK(uruk_dylib_name(second, text, sizeof text) == 5 && strcmp(text, "short") == 0);
  CHECK(uruk_dylib_name(second, text, 4) == 5 && strcmp(text, "sho") == 0);
  CHECK(uruk_dylib_name(second, NULL, 0) == 5 && uruk_dylib_name(NULL, NULL, 0) == 0);
  OK(uruk_dylib_remove(second));
  FAILS(URUK_GONE, "uruk_dylib is gone", uruk_dylib_clear(second));
  OK(uruk_jit_find_dylib(jit, "short", &second));
  CHECK(second == NULL);
  OK(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_DEBUGGER | URUK_JIT_NO_DEBUGGER;
  FAILS(URUK_INVALID, "all or nothing", uruk_jit_create(&options, &jit));
  options.flags = 1u << 30;
  FAILS(URUK_INVALID, "unknown flags", uruk_jit_create(&options, &jit));
  options.flags = 0;
  options.memory_manager = (uruk_memory_manager *)dylib;
  FAILS(URUK_WRONG_KIND, "a uruk_memory_manager is wanted", uruk_jit_create(&options, &other));
  OK(uruk_jit_destroy(jit));
  OK(uruk_jit_destroy(NULL));
  OK(uruk_jit_destroy(other));
  FAILS(URUK_GONE, "gone", uruk_tracker_remove(strange));
}

static void errors(void) {
  uruk_error *error, *none;
  uruk_jit *jit;
  uint64_t address;
  uruk_dylib *dylib;
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  CHECK(uruk_lookup(dylib, "nobody", &address) == URUK_MISSING);
  error = uruk_error_last();
  CHECK(uruk_lookup(dylib, NULL, &address) == URUK_NULL);
  CHECK(uruk_last_status() == URUK_NULL && uruk_error_status(error) == URUK_MISSING);
  CHECK(strstr(uruk_error_message(error), "nobody") != NULL);
  OK(uruk_error_dispose(error));
  CHECK(uruk_error_status(error) == URUK_NOT_A_HANDLE && uruk_error_message(error) == NULL);
  FAILS(URUK_GONE, "uruk_error is gone", uruk_error_dispose(error));
  CHECK(uruk_error_status(NULL) == URUK_OK && uruk_error_message(NULL) == NULL);
  OK(uruk_error_dispose(NULL));
  OK(uruk_jit_take_report(jit, &none));
  CHECK(none == NULL && uruk_message(NULL) == NULL);
  OK(uruk_jit_destroy(jit));
}

int main(void) {
  CHECK(uruk_abi_version() == URUK_ABI_VERSION && strchr(uruk_version(), '.') != NULL);
  structures();
  null_structures();
  halves();
  handles();
  errors();
  puts("misuse: ok");
  return 0;
}
