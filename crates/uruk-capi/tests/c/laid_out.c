/* Stock memory that is nobody's: what is linked lies at addresses where nothing is, and is read from the manager. */

#include "linked.h"

enum { ROOM = 1 << 20 };
static const uint64_t START = (uint64_t)5 << 40;

static uruk_memory_manager *laid_out(void) {
  uruk_memory_options options;
  uruk_memory_manager *manager;
  OK(uruk_memory_options_init(&options, sizeof options));
  options.flags = URUK_STOCK_LAY_OUT | URUK_STOCK_AT;
  options.start = START;
  options.size = ROOM;
  OK(uruk_memory_manager_create_stock(&options, &manager));
  return manager;
}

static uruk_jit *linking(uruk_memory_manager *manager) {
  uruk_options options;
  uruk_jit *jit;
  OK(uruk_options_init(&options, sizeof options));
  options.memory_manager = manager;
  FAILS(URUK_INVALID, "take `URUK_JIT_LINK_ONLY`", uruk_jit_create(&options, &jit));
  options.flags = URUK_JIT_LINK_ONLY;
  OK(uruk_jit_create(&options, &jit));
  return jit;
}

/* The run that an address lies in. */
static const uruk_memory_run *run_of(const uruk_memory_run *runs, size_t count, uint64_t address) {
  size_t i = 0;
  while (i < count && !(runs[i].target <= address && address - runs[i].target < runs[i].size)) i++;
  CHECK(i < count);
  return &runs[i];
}

static void wrong(uruk_memory_manager *manager, const uruk_memory_run *code) {
  uint8_t byte;
  size_t count;
  FAILS(URUK_INVALID, "final bytes at", uruk_memory_manager_read(manager, code->target - 1, &byte, 1));
  FAILS(URUK_INVALID, "final bytes at", uruk_memory_manager_read(manager, code->target + code->size, &byte, 1));
  FAILS(URUK_INVALID, "final bytes at", uruk_memory_manager_read(manager, code->target, &byte, SIZE_MAX));
  FAILS(URUK_INVALID, "final bytes at", uruk_memory_manager_read(manager, UINT64_MAX, &byte, 1));
  FAILS(URUK_NULL, "buffer", uruk_memory_manager_read(manager, code->target, NULL, 1));
  FAILS(URUK_NULL, "count", uruk_memory_manager_runs(manager, NULL, 0, NULL));
  FAILS(URUK_NULL, "the place for the results", uruk_memory_manager_runs(manager, NULL, 1, &count));
}

static void linked(const char *file) {
  uruk_memory_manager *manager = laid_out();
  uruk_jit *jit = linking(manager);
  uruk_memory_run runs[3];
  const uruk_memory_run *code, *data;
  uruk_dylib *dylib;
  uint64_t compute, two, pointer, pointed;
  size_t count = 9;
  int32_t value;
  uint8_t *bytes;
  OK(uruk_memory_manager_runs(manager, runs, 3, &count));
  CHECK(count == 0);
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, &file, 1));
  OK(uruk_lookup(dylib, "compute", &compute));
  OK(uruk_lookup(dylib, "two", &two));
  OK(uruk_lookup(dylib, "pointer", &pointer));
  OK(uruk_memory_manager_runs(manager, NULL, 0, &count));
  CHECK(count == 3);
  OK(uruk_memory_manager_runs(manager, runs, 3, &count));
  CHECK(count == 3 && START <= runs[0].target && runs[0].target + runs[0].size <= runs[1].target);
  CHECK(runs[1].target + runs[1].size <= runs[2].target && runs[2].target + runs[2].size <= START + ROOM);
  code = run_of(runs, count, compute);
  data = run_of(runs, count, two);
  CHECK(code->kind == URUK_KIND_CODE && code->protection == (URUK_PROTECTION_READ | URUK_PROTECTION_EXECUTE));
  CHECK(data->kind == URUK_KIND_DATA && data->protection == (URUK_PROTECTION_READ | URUK_PROTECTION_WRITE));
  /* What is read is linked for these addresses. */
  OK(uruk_memory_manager_read(manager, two, (uint8_t *)&value, sizeof value));
  OK(uruk_memory_manager_read(manager, pointer, (uint8_t *)&pointed, sizeof pointed));
  CHECK(value == 2 && pointed == two);
  bytes = (uint8_t *)malloc((size_t)code->size);
  CHECK(bytes != NULL);
  OK(uruk_memory_manager_read(manager, code->target, bytes, (size_t)code->size));
  CHECK(bytes[compute - code->target] != 0);
  free(bytes);
  wrong(manager, code);
  OK(uruk_dylib_clear(dylib));
  OK(uruk_jit_quiesce(jit));
  OK(uruk_memory_manager_runs(manager, NULL, 0, &count));
  CHECK(count == 0);
  OK(uruk_jit_destroy(jit));
  OK(uruk_memory_manager_dispose(manager));
}

static void wrong_options(void) {
  static const struct {
    uint32_t flags;
    uint64_t start, size;
  } cases[] = {
      {URUK_STOCK_LAY_OUT, 1 << 20, 1 << 20},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_AT, 0, 1 << 20},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_AT, 1 << 20, 0},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_AT, 1, 1 << 20},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_AT, 1 << 20, UINT64_MAX},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_AT | URUK_STOCK_STRICT, 1 << 20, 1 << 20},
      {URUK_STOCK_LAY_OUT | URUK_STOCK_LOW, 1 << 20, 1 << 20},
  };
  uruk_memory_options options;
  uruk_memory_manager *manager;
  size_t i, count;
  uint8_t byte;
  for (i = 0; i < sizeof cases / sizeof *cases; i++) {
    OK(uruk_memory_options_init(&options, sizeof options));
    options.flags = cases[i].flags, options.start = cases[i].start, options.size = cases[i].size;
    FAILS(URUK_INVALID, "`LAY_OUT` needs `AT`", uruk_memory_manager_create_stock(&options, &manager));
  }
  OK(uruk_memory_manager_create_stock(NULL, &manager));
  FAILS(URUK_INVALID, "keeps no bytes", uruk_memory_manager_read(manager, 1 << 20, &byte, 1));
  FAILS(URUK_INVALID, "keeps no bytes", uruk_memory_manager_runs(manager, NULL, 0, &count));
  OK(uruk_memory_manager_dispose(manager));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  linked(argv[1]);
  wrong_options();
  puts("laid_out: ok");
  return 0;
}
