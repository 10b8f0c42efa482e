/* Caches: of one's own, in memory, in a folder; what a JIT asks and keeps. */

#define _GNU_SOURCE
#include "check.h"

struct shelf {
  int gets, puts, hits, fault, destroyed;
  uint8_t key[32];
  uint8_t *bytes;
  size_t size;
  uruk_sink *sink;
};

static int32_t get(void *context, const uint8_t *key, uruk_sink *sink, char **message) {
  struct shelf *shelf = context;
  shelf->gets++;
  shelf->sink = sink;
  if (shelf->fault) {
    *message = uruk_message("the shelf is on fire");
    return 1;
  }
  if (shelf->bytes != NULL && memcmp(shelf->key, key, 32) == 0) {
    shelf->hits++;
    CHECK(uruk_sink_put(sink, NULL, 3) == URUK_NULL);
    OK(uruk_sink_put(sink, shelf->bytes, shelf->size));
  }
  return 0;
}

static int32_t put(void *context, const uint8_t *key, const uint8_t *bytes, size_t size, char **message) {
  struct shelf *shelf = context;
  (void)message;
  shelf->puts++;
  free(shelf->bytes);
  memcpy(shelf->key, key, 32);
  shelf->bytes = malloc(size);
  memcpy(shelf->bytes, bytes, size);
  shelf->size = size;
  return 0;
}

static void destroy(void *context) {
  ((struct shelf *)context)->destroyed++;
}

static const char *function = "function %seven() -> i32 { block0: v0 = iconst.i32 7  return v0 }";

/* Compiles a function in a JIT with a cache, and calls it. */
static void compile(uruk_cache *cache) {
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uint64_t result;
  OK(uruk_options_init(&options, sizeof options));
  options.cache = cache;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_clif(dylib, NULL, "seven.clif", function));
  OK(uruk_dylib_call(dylib, "seven", NULL, 0, &result));
  CHECK((int)result == 7);
  OK(uruk_jit_destroy(jit));
}

static void of_ones_own(void) {
  struct shelf shelf;
  uruk_cache_callbacks callbacks;
  uruk_cache *cache;
  size_t size;
  uint8_t buffer[8];
  memset(&shelf, 0, sizeof shelf);
  OK(uruk_cache_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = &shelf, callbacks.name = "shelf", callbacks.destroy = destroy;
  callbacks.get = get;
  FAILS(URUK_HALF_PAIR, "give both", uruk_cache_create(&callbacks, &cache));
  callbacks.put = put;
  OK(uruk_cache_create(&callbacks, &cache));
  compile(cache);
  CHECK(shelf.gets == 1 && shelf.puts == 1 && shelf.hits == 0 && shelf.size != 0);
  FAILS(URUK_GONE, "uruk_sink is gone", uruk_sink_put(shelf.sink, buffer, 1));
  compile(cache);
  CHECK(shelf.gets == 2 && shelf.puts == 1 && shelf.hits == 1);
  /* One that fails has less, and no more than that. */
  shelf.fault = 1;
  compile(cache);
  CHECK(shelf.gets == 3 && shelf.hits == 1);
  FAILS(URUK_CALLBACK, "shelf: `get`: the shelf is on fire", uruk_cache_get(cache, shelf.key, buffer, 8, &size));
  CHECK(shelf.destroyed == 0);
  OK(uruk_cache_dispose(cache));
  CHECK(shelf.destroyed == 1);
  FAILS(URUK_GONE, "uruk_cache is gone", uruk_cache_get(cache, shelf.key, buffer, 8, &size));
  OK(uruk_cache_dispose(NULL));
  free(shelf.bytes);
}

static void keeps(uruk_cache *cache) {
  uruk_bytes parts[2] = {{(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}};
  uint8_t key[32], other[32], buffer[8];
  size_t size = 0;
  OK(uruk_cache_key("compiler 1.0", parts, 2, key));
  OK(uruk_cache_key("compiler 1.1", parts, 2, other));
  CHECK(memcmp(key, other, 32) != 0);
  FAILS(URUK_NULL, "compiler", uruk_cache_key(NULL, parts, 2, key));
  FAILS(URUK_MISSING, "nothing", uruk_cache_get(cache, key, buffer, 8, &size));
  OK(uruk_cache_put(cache, key, (const uint8_t *)"kept bytes", 10));
  OK(uruk_cache_get(cache, key, buffer, 4, &size));
  CHECK(size == 10 && memcmp(buffer, "kept", 4) == 0);
  FAILS(URUK_MISSING, "nothing", uruk_cache_get(cache, other, buffer, 8, &size));
  FAILS(URUK_NULL, "key", uruk_cache_put(cache, NULL, buffer, 8));
}

int main(int argc, char **argv) {
  uruk_cache *cache;
  uint8_t key[32], buffer[16];
  uruk_bytes parts[2] = {{(const uint8_t *)"one", 3}, {(const uint8_t *)"two", 3}};
  size_t size;
  CHECK(argc == 2);
  of_ones_own();
  OK(uruk_cache_create_memory(1 << 20, &cache));
  keeps(cache);
  compile(cache);
  OK(uruk_cache_dispose(cache));
  OK(uruk_cache_create_directory(argv[1], 1 << 20, &cache));
  keeps(cache);
  compile(cache);
  OK(uruk_cache_dispose(cache));
  /* It is still there in another one. */
  OK(uruk_cache_create_directory(argv[1], 1 << 20, &cache));
  OK(uruk_cache_key("compiler 1.0", parts, 2, key));
  OK(uruk_cache_get(cache, key, buffer, sizeof buffer, &size));
  CHECK(size == 10 && memcmp(buffer, "kept bytes", 10) == 0);
  OK(uruk_cache_dispose(cache));
  FAILS(URUK_NULL, "path", uruk_cache_create_directory(NULL, 1, &cache));
  CHECK(uruk_cache_create_memory(1, NULL) == URUK_NULL);
  puts("cache: ok");
  return 0;
}
