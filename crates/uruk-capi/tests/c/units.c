/* Names, look-ups with a callback, pins, and units of one's own: what they are asked, and what becomes of what they answer. */

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

/* What a test has its unit do. */
enum task { WRITE, HOLD, LINK, FAIL, DISPOSE, LATER, LOOK_UP, SPLIT, TWICE, INITIALISE, NEED };

struct maker {
  enum task task;
  uruk_jit *jit;
  int materialized, destroyed, answered;
  uruk_name names[3];
  pthread_t thread;
  uruk_responsibility *left;
  struct maker *other;
  uint64_t found;
};

static char *bytes;
static size_t size;

static void read_object(const char *path) {
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
  size = (size_t)ftell(file);
  rewind(file);
  bytes = malloc(size);
  CHECK(fread(bytes, 1, size, file) == size);
  fclose(file);
}

static uruk_name intern(uruk_jit *jit, const char *text) {
  uruk_name name = 0;
  OK(uruk_name_intern(jit, text, &name));
  return name;
}

/* Defines a name as a constant of four bytes. */
static void define(uruk_responsibility *responsibility, uruk_name name, int value) {
  uruk_resolved resolved = {name, 0, 0};
  OK(uruk_responsibility_write(responsibility, URUK_KIND_RODATA, (const uint8_t *)&value, sizeof value, 4,
                               &resolved.address));
  OK(uruk_responsibility_resolve(responsibility, &resolved, 1));
}

static void *settle_later(void *context) {
  struct maker *maker = context;
  define(maker->left, maker->names[0], 7);
  OK(uruk_responsibility_emit(maker->left, NULL, 0));
  return NULL;
}

static void looked_up(void *context, uruk_responsibility *responsibility, uruk_status status, const char *message,
                      const uint64_t *addresses, size_t count) {
  struct maker *maker = context;
  CHECK(status == URUK_OK && message == NULL && count == 1);
  maker->found = addresses[0];
  define(responsibility, maker->names[0], 8);
  OK(uruk_responsibility_emit(responsibility, NULL, 0));
}

static void gone(void *context) {
  ((struct maker *)context)->destroyed++;
}

static int initialised;

static void initialise(int argc, char **argv, char **environment) {
  (void)argc, (void)argv, (void)environment;
  initialised++;
}

static void make(void *context, uruk_responsibility *responsibility);

static uruk_status add(uruk_dylib *dylib, uruk_tracker *tracker, struct maker *maker, const char *name, uint32_t flags) {
  uruk_definition definition;
  uruk_unit unit;
  definition.name = maker->names[0] = intern(maker->jit, name);
  definition.flags = flags;
  OK(uruk_unit_init(&unit, sizeof unit));
  unit.context = maker;
  unit.name = "the maker";
  unit.definitions = &definition;
  unit.definition_count = 1;
  unit.materialize = make;
  unit.destroy = gone;
  return uruk_dylib_define_unit(dylib, tracker, &unit);
}

/* Of three names only the first was asked for: the second goes to a responsibility of its own, the third back. */
static void split(struct maker *maker, uruk_responsibility *responsibility) {
  uruk_name names[3];
  size_t count;
  uruk_responsibility *part;
  uruk_definition definition = {0, 0};
  uruk_unit unit;
  OK(uruk_responsibility_owed(responsibility, names, 3, &count));
  CHECK(count == 3);
  OK(uruk_responsibility_requested(responsibility, names, 3, &count));
  CHECK(count == 1 && names[0] == maker->names[0]);
  OK(uruk_responsibility_delegate(responsibility, &maker->names[1], 1, &part));
  define(part, maker->names[1], 12);
  OK(uruk_responsibility_emit(part, NULL, 0));
  definition.name = maker->names[2];
  OK(uruk_unit_init(&unit, sizeof unit));
  maker->other->names[0] = maker->names[2];
  unit.context = maker->other;
  unit.definitions = &definition;
  unit.definition_count = 1;
  unit.destroy = gone;
  FAILS(URUK_NULL, "`materialize`", uruk_responsibility_replace(responsibility, &unit));
  unit.materialize = make;
  definition.name = intern(maker->jit, "never promised");
  FAILS(URUK_INVALID, "never promised", uruk_responsibility_replace(responsibility, &unit));
  CHECK(maker->other->destroyed == 0);
  definition.name = maker->names[2];
  OK(uruk_responsibility_replace(responsibility, &unit));
  OK(uruk_responsibility_owed(responsibility, NULL, 0, &count));
  CHECK(count == 1);
  definition.name = intern(maker->jit, "more");
  OK(uruk_responsibility_define(responsibility, &definition, 1));
  define(responsibility, definition.name, 14);
  define(responsibility, maker->names[0], 11);
  OK(uruk_responsibility_keep(responsibility, maker, gone));
  FAILS(URUK_NULL, "destroy", uruk_responsibility_keep(responsibility, maker, NULL));
  OK(uruk_responsibility_emit(responsibility, NULL, 0));
}

static void make(void *context, uruk_responsibility *responsibility) {
  struct maker *maker = context;
  uruk_name name = maker->names[0];
  uruk_name needed;
  uruk_dylib *dylib;
  uint64_t address = 0;
  char text[64];
  maker->materialized++;
  CHECK(uruk_responsibility_name(responsibility, text, sizeof text) == strlen(text));
  OK(uruk_responsibility_dylib(responsibility, &dylib));
  CHECK(uruk_dylib_name(dylib, text, sizeof text) == 4 && strcmp(text, "main") == 0);
  switch (maker->task) {
  case HOLD:
    maker->left = responsibility;
    break;
  case WRITE:
    FAILS(URUK_INVALID, "no kind of memory",
          uruk_responsibility_write(responsibility, 77, (const uint8_t *)"x", 1, 1, &address));
    FAILS(URUK_INVALID, "not a power of two",
          uruk_responsibility_write(responsibility, URUK_KIND_DATA, (const uint8_t *)"x", 1, 3, &address));
    define(responsibility, name, 42);
    OK(uruk_responsibility_emit(responsibility, NULL, 0));
    break;
  case LINK:
    OK(uruk_responsibility_link(responsibility, "compute.o", (const uint8_t *)bytes, size));
    break;
  case FAIL:
    OK(uruk_responsibility_fail(responsibility, "the maker is on strike"));
    FAILS(URUK_GONE, "gone", uruk_responsibility_fail(responsibility, "twice"));
    break;
  case DISPOSE:
    OK(uruk_responsibility_dispose(responsibility));
    OK(uruk_responsibility_dispose(NULL));
    break;
  case LATER:
    maker->left = responsibility;
    CHECK(pthread_create(&maker->thread, NULL, settle_later, maker) == 0);
    break;
  case LOOK_UP:
    needed = intern(maker->jit, "answer");
    FAILS(URUK_NULL, "callback", uruk_responsibility_look_up(responsibility, &needed, 1, 0, NULL, maker));
    OK(uruk_responsibility_look_up(responsibility, &needed, 1, 0, looked_up, maker));
    FAILS(URUK_GONE, "gone", uruk_responsibility_emit(responsibility, NULL, 0));
    break;
  case SPLIT:
    split(maker, responsibility);
    break;
  case TWICE:
    CHECK(uruk_responsibility_resolve(responsibility, NULL, 1) == URUK_NULL);
    /* Not all that was promised has an address. */
    FAILS(URUK_INVALID, "promised to define", uruk_responsibility_emit(responsibility, NULL, 0));
    FAILS(URUK_GONE, "gone", uruk_responsibility_emit(responsibility, NULL, 0));
    FAILS(URUK_GONE, "gone", uruk_responsibility_link(responsibility, NULL, (const uint8_t *)bytes, size));
    FAILS(URUK_GONE, "gone", uruk_responsibility_dispose(responsibility));
    break;
  case INITIALISE:
    address = (uint64_t)(uintptr_t)initialise;
    OK(uruk_responsibility_add_initialisers(responsibility, &address, 1));
    OK(uruk_responsibility_emit(responsibility, NULL, 0));
    break;
  case NEED: {
    uruk_need needs[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    needs[0].name = intern(maker->jit, "answer");
    needs[1].dylib = dylib;
    needs[1].name = intern(maker->jit, "nowhere to be found");
    define(responsibility, name, 1);
    FAILS(URUK_MISSING, "nowhere to be found", uruk_responsibility_emit(responsibility, needs, 2));
    break;
  }
  }
}

static int value(uruk_dylib *dylib, const char *name) {
  uint64_t address;
  int *variable;
  OK(uruk_lookup(dylib, name, &address));
  FUNCTION(int *, variable, address);
  return *variable;
}

static void names(uruk_jit *jit, uruk_dylib *dylib) {
  uruk_name one = intern(jit, "a name"), name;
  char text[8];
  CHECK(one != 0 && one == intern(jit, "a name") && one != intern(jit, "another"));
  CHECK(uruk_name_text(jit, one, text, sizeof text) == 6 && strcmp(text, "a name") == 0);
  CHECK(uruk_name_text(jit, 0, text, sizeof text) == 0 && uruk_last_status() == URUK_INVALID);
  CHECK(uruk_name_text(jit, UINT32_MAX, text, sizeof text) == 0);
  FAILS(URUK_NULL, "name", uruk_name_intern(jit, "x", NULL));
  FAILS(URUK_NULL, "text", uruk_name_intern(jit, NULL, &name));
  FAILS(URUK_WRONG_KIND, "uruk_dylib", uruk_name_intern((uruk_jit *)dylib, "x", &name));
}

static struct maker makers[12];

static void units(uruk_jit *jit, uruk_dylib *dylib) {
  int (*compute)(int);
  uint64_t address;
  uruk_tracker *tracker;
  struct maker *maker = makers;
  uruk_definition definitions[3];
  uruk_unit unit;
  int i;
  for (i = 0; i < 12; i++) {
    makers[i].jit = jit;
  }
  OK(add(dylib, NULL, maker, "answer", 0));
  CHECK(maker->materialized == 0);
  CHECK(value(dylib, "answer") == 42 && value(dylib, "answer") == 42 && maker->materialized == 1);
  maker++, maker->task = LINK;
  OK(add(dylib, NULL, maker, "compute", URUK_DEFINITION_FUNCTION));
  OK(uruk_lookup(dylib, "compute", &address));
  FUNCTION(int (*)(int), compute, address);
  CHECK(compute(40) == 42);
  maker++, maker->task = FAIL;
  OK(add(dylib, NULL, maker, "strike", 0));
  FAILS(URUK_COMPILE, "the maker is on strike", uruk_lookup(dylib, "strike", &address));
  maker++, maker->task = DISPOSE;
  OK(add(dylib, NULL, maker, "nothing", 0));
  FAILS(URUK_REMOVED, "given up without a reason", uruk_lookup(dylib, "nothing", &address));
  maker++, maker->task = LATER;
  OK(add(dylib, NULL, maker, "later", URUK_DEFINITION_WEAK | URUK_DEFINITION_HIDDEN));
  CHECK(value(dylib, "later") == 7);
  CHECK(pthread_join(maker->thread, NULL) == 0);
  maker++, maker->task = LOOK_UP;
  OK(add(dylib, NULL, maker, "looks", 0));
  CHECK(value(dylib, "looks") == 8);
  OK(uruk_lookup(dylib, "answer", &address));
  CHECK(maker->found == address);
  maker++, maker->task = TWICE;
  OK(add(dylib, NULL, maker, "twice", 0));
  FAILS(URUK_INVALID, "promised to define", uruk_lookup(dylib, "twice", &address));
  maker++, maker->task = NEED;
  OK(add(dylib, NULL, maker, "needy", 0));
  FAILS(URUK_MISSING, "nowhere to be found", uruk_lookup(dylib, "needy", &address));
  maker++, maker->task = INITIALISE;
  OK(add(dylib, NULL, maker, "effects", URUK_DEFINITION_SIDE_EFFECTS_ONLY | URUK_DEFINITION_INITIALISER));
  CHECK(initialised == 0);
  OK(uruk_dylib_initialize(dylib));
  CHECK(initialised == 1 && maker->materialized == 1);
  /* A unit that nobody asks for, one that is refused, and one that is split. */
  maker++;
  OK(uruk_tracker_create(dylib, &tracker));
  OK(add(dylib, tracker, maker, "idle", 0));
  OK(uruk_tracker_remove(tracker));
  CHECK(maker->destroyed == 1 && maker->materialized == 0);
  FAILS(URUK_DUPLICATE, "duplicate definition of `answer`", add(dylib, NULL, maker, "answer", 0));
  FAILS(URUK_INVALID, "unknown flags", add(dylib, NULL, maker, "flags", 1024));
  FAILS(URUK_INVALID, "three things",
        add(dylib, NULL, maker, "flags", URUK_DEFINITION_FUNCTION | URUK_DEFINITION_SIDE_EFFECTS_ONLY));
  CHECK(maker->destroyed == 1);
  FAILS(URUK_BAD_MAGIC, "`_init`", (memset(&unit, 0, sizeof unit), uruk_dylib_define_unit(dylib, NULL, &unit)));
  maker->task = SPLIT, maker->destroyed = 0, maker->other = maker + 1;
  OK(uruk_unit_init(&unit, sizeof unit));
  for (i = 0; i < 3; i++) {
    char name[] = {'p', (char)('0' + i), 0};
    definitions[i].name = maker->names[i] = intern(jit, name);
    definitions[i].flags = 0;
  }
  unit.context = maker, unit.definitions = definitions, unit.definition_count = 3;
  unit.materialize = make, unit.destroy = gone;
  OK(uruk_dylib_define_unit(dylib, tracker, &unit));
  CHECK(value(dylib, "p0") == 11 && value(dylib, "p1") == 12 && value(dylib, "more") == 14);
  CHECK(maker->other->materialized == 0 && maker->destroyed == 0);
  CHECK(value(dylib, "p2") == 42 && maker->other->materialized == 1);
  OK(uruk_tracker_remove(tracker));
  OK(uruk_jit_quiesce(jit));
  /* What was kept has gone with the unit. */
  CHECK(maker->destroyed == 1 && maker->other->destroyed == 0);
}

struct answer {
  uruk_status status;
  char message[256];
  uint64_t addresses[2];
  size_t count;
  int times;
};

static void told(void *context, uruk_status status, const char *message, const uint64_t *addresses, size_t count) {
  struct answer *answer = context;
  answer->status = status;
  answer->count = count;
  answer->times++;
  snprintf(answer->message, sizeof answer->message, "%s", message == NULL ? "" : message);
  if (count != 0) {
    memcpy(answer->addresses, addresses, count * sizeof *addresses);
  }
}

static void look_ups(uruk_jit *jit, uruk_dylib *dylib) {
  const char *known[] = {"answer", "compute"}, *weak[] = {"answer", "nobody"};
  struct answer answer;
  uint64_t address;
  memset(&answer, 0, sizeof answer);
  OK(uruk_lookup_start(dylib, known, 2, 0, told, &answer));
  OK(uruk_lookup(dylib, "answer", &address));
  CHECK(answer.times == 1 && answer.status == URUK_OK && answer.count == 2 && answer.addresses[0] == address);
  OK(uruk_lookup_start(dylib, weak, 2, URUK_LOOKUP_WEAK, told, &answer));
  CHECK(answer.times == 2 && answer.addresses[0] == address && answer.addresses[1] == 0);
  OK(uruk_lookup_start(dylib, weak, 2, 0, told, &answer));
  CHECK(answer.times == 3 && answer.status == URUK_MISSING && strstr(answer.message, "nobody") != NULL);
  FAILS(URUK_NULL, "callback", uruk_lookup_start(dylib, known, 2, 0, NULL, NULL));
  FAILS(URUK_NULL, "names", uruk_lookup_start(dylib, NULL, 2, 0, told, &answer));
  FAILS(URUK_INVALID, "unknown flags", uruk_lookup_start(dylib, known, 2, 64, told, &answer));
  FAILS(URUK_WRONG_KIND, "uruk_jit", uruk_lookup_start((uruk_dylib *)jit, known, 2, 0, told, &answer));
  CHECK(answer.times == 3);
}

static void pins(uruk_jit *jit, uruk_dylib *dylib) {
  struct maker maker;
  uruk_tracker *tracker;
  uruk_pin *pin;
  uint64_t address, found;
  int *variable;
  memset(&maker, 0, sizeof maker);
  maker.jit = jit;
  OK(uruk_tracker_create(dylib, &tracker));
  OK(add(dylib, tracker, &maker, "pinned", 0));
  OK(uruk_pin_create(dylib, "pinned", &address, &pin));
  OK(uruk_tracker_remove(tracker));
  FAILS(URUK_MISSING, "pinned", uruk_lookup(dylib, "pinned", &found));
  FUNCTION(int *, variable, address);
  CHECK(*variable == 42);
  OK(uruk_pin_dispose(pin));
  FAILS(URUK_GONE, "uruk_pin is gone", uruk_pin_dispose(pin));
  OK(uruk_pin_dispose(NULL));
  OK(uruk_jit_quiesce(jit));
  FAILS(URUK_MISSING, "nobody", uruk_pin_create(dylib, "nobody", NULL, &pin));
  FAILS(URUK_NULL, "pin", uruk_pin_create(dylib, "answer", NULL, NULL));
}

/* A JIT goes while a unit is being made, another waits, and something is pinned. */
static void left_behind(void) {
  struct maker held, waiting, pinned;
  struct answer answer;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uruk_pin *pin;
  uruk_name name;
  size_t count;
  uint64_t address;
  int *variable;
  const char *names[] = {"held"};
  memset(&held, 0, sizeof held);
  memset(&answer, 0, sizeof answer);
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  held.jit = jit;
  waiting = pinned = held;
  held.task = HOLD;
  OK(add(dylib, NULL, &held, "held", 0));
  OK(add(dylib, NULL, &waiting, "waiting", 0));
  OK(add(dylib, NULL, &pinned, "pinned", 0));
  OK(uruk_pin_create(dylib, "pinned", &address, &pin));
  OK(uruk_lookup_start(dylib, names, 1, 0, told, &answer));
  CHECK(held.materialized == 1 && answer.times == 0);
  OK(uruk_jit_destroy(jit));
  CHECK(answer.times == 1 && answer.status == URUK_REMOVED && strstr(answer.message, "ended") != NULL);
  FUNCTION(int *, variable, address);
  CHECK(*variable == 42);
  FAILS(URUK_GONE, "JIT", uruk_responsibility_owed(held.left, &name, 1, &count));
  FAILS(URUK_GONE, "JIT", uruk_responsibility_dylib(held.left, &dylib));
  OK(uruk_responsibility_dispose(held.left));
  CHECK(waiting.destroyed == 0);
  OK(uruk_pin_dispose(pin));
  CHECK(waiting.destroyed == 1 && waiting.materialized == 0 && held.destroyed == 0);
}

int main(int argc, char **argv) {
  uruk_jit *jit;
  uruk_dylib *dylib;
  uruk_name name;
  CHECK(argc == 2);
  read_object(argv[1]);
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  names(jit, dylib);
  units(jit, dylib);
  look_ups(jit, dylib);
  pins(jit, dylib);
  OK(uruk_jit_destroy(jit));
  FAILS(URUK_GONE, "uruk_jit is gone", uruk_name_intern(jit, "x", &name));
  left_behind();
  free(bytes);
  puts("units: ok");
  return 0;
}
