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

/* A structure of a header to come. */
struct newer {
  uruk_memory_callbacks known;
  void *appended;
};

static void structures(void) {
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager = (uruk_memory_manager *)&manager;
  struct newer newer;
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  CHECK(callbacks.struct_size == sizeof callbacks && callbacks.abi_version == URUK_ABI_VERSION && callbacks.allocate == NULL);
  FAILS(URUK_NULL, "uruk_memory_callbacks is NULL", uruk_memory_callbacks_init(NULL, sizeof callbacks));
  FAILS(URUK_ZERO_SIZE, "size is 0", uruk_memory_callbacks_init(&callbacks, 0));
  FAILS(URUK_TOO_SMALL, "every version has 16", uruk_memory_callbacks_init(&callbacks, 15));
  FAILS(URUK_TOO_LARGE, "newer than the library", uruk_memory_callbacks_init(&newer.known, sizeof newer));
  FAILS(URUK_INVALID, "not aligned", uruk_memory_callbacks_init((uruk_memory_callbacks *)((char *)&newer + 1), sizeof callbacks));

  FAILS(URUK_NULL, "is NULL", uruk_memory_manager_create(NULL, &manager));
  FAILS(URUK_NULL, "manager is NULL", uruk_memory_manager_create(&callbacks, NULL));
  callbacks.magic ^= 1;
  FAILS(URUK_BAD_MAGIC, "`_init` function", uruk_memory_manager_create(&callbacks, &manager));
  memset(&callbacks, 0, sizeof callbacks);
  FAILS(URUK_BAD_MAGIC, "mark is 0x0", uruk_memory_manager_create(&callbacks, &manager));
  OK(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.struct_size = 0;
  FAILS(URUK_ZERO_SIZE, "size is 0", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.struct_size = sizeof callbacks + 8;
  FAILS(URUK_TOO_LARGE, "newer than the library", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.struct_size = sizeof callbacks;
  callbacks.abi_version = URUK_ABI_VERSION + 1;
  FAILS(URUK_UNKNOWN_VERSION, "version 2", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.abi_version = 0;
  FAILS(URUK_UNKNOWN_VERSION, "version 0", uruk_memory_manager_create(&callbacks, &manager));
  callbacks.abi_version = URUK_ABI_VERSION;
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
  CHECK(uruk_struct_size(URUK_STRUCT_MEMORY_CALLBACKS) == sizeof(uruk_memory_callbacks));
  CHECK(uruk_struct_size(URUK_STRUCT_MEMORY_OPTIONS) == sizeof(uruk_memory_options));
  CHECK(uruk_struct_size(URUK_STRUCT_OPTIONS) == sizeof(uruk_options) && uruk_struct_size(9999) == 0);
  structures();
  halves();
  handles();
  errors();
  puts("misuse: ok");
  return 0;
}
