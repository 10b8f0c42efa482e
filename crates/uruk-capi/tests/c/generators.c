/* Generators of one's own, at once and later; stock ones; functions that are led elsewhere. */

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

struct source {
  uruk_jit *jit;
  int asked, destroyed, order;
  const char *knows;
  uint64_t address;
  pthread_t thread;
  uruk_suspended *suspended;
  uruk_dylib *dylib;
};

static int turns;

static void destroy(void *context) {
  ((struct source *)context)->destroyed++;
}

/* Whether the name is among those wanted. */
static int is_wanted(const struct source *source, const uruk_wanted *wanted) {
  char text[64];
  uint64_t i;
  CHECK(wanted->struct_size == sizeof *wanted && wanted->count != 0);
  for (i = 0; i < wanted->count; i++) {
    uruk_name_text(source->jit, wanted->names[i].name, text, sizeof text);
    if (strcmp(text, source->knows) == 0 && wanted->names[i].required) {
      return 1;
    }
  }
  return 0;
}

static int32_t generate(void *context, const uruk_wanted *wanted, char **message) {
  struct source *source = context;
  source->asked++;
  source->order = ++turns;
  CHECK(wanted->kind == URUK_LOOKED_UP_STATICALLY);
  if (is_wanted(source, wanted)) {
    uruk_symbol symbol;
    if (source->address == 0) {
      *message = uruk_message("the source has run dry");
      return 5;
    }
    symbol.name = source->knows;
    symbol.address = source->address;
    OK(uruk_dylib_define(wanted->dylib, &symbol, 1));
  }
  return 0;
}

static void *finish(void *context) {
  struct source *source = context;
  uruk_symbol symbol;
  symbol.name = source->knows;
  symbol.address = source->address;
  if (source->address == 0) {
    OK(uruk_suspended_finish(source->suspended, 3, "the well has run dry"));
    return NULL;
  }
  OK(uruk_dylib_define(source->dylib, &symbol, 1));
  OK(uruk_suspended_finish(source->suspended, 0, NULL));
  FAILS(URUK_GONE, "gone", uruk_suspended_finish(source->suspended, 0, NULL));
  return NULL;
}

static void generate_later(void *context, const uruk_wanted *wanted, uruk_suspended *suspended) {
  struct source *source = context;
  source->asked++;
  if (!is_wanted(source, wanted)) {
    OK(uruk_suspended_finish(suspended, 0, NULL));
    return;
  }
  source->suspended = suspended;
  source->dylib = wanted->dylib;
  CHECK(pthread_create(&source->thread, NULL, finish, source) == 0);
}

static uruk_status add(uruk_dylib *dylib, struct source *source, int later) {
  uruk_generator_callbacks callbacks;
  OK(uruk_generator_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = source;
  callbacks.name = "a source";
  callbacks.destroy = destroy;
  if (later != 1) {
    callbacks.generate = generate;
  }
  if (later != 0) {
    callbacks.generate_later = generate_later;
  }
  return uruk_dylib_add_generator(dylib, &callbacks);
}

static int five(void) {
  return 5;
}

static int six(void) {
  return 6;
}

static uint64_t address_of(int (*function)(void)) {
  return (uint64_t)(uintptr_t)function;
}

static void generators(uruk_jit *jit, uruk_dylib *dylib) {
  struct source first, second, later;
  uint64_t address;
  uruk_dylib *bare;
  uruk_search_entry self;
  const char *soname = "libm.so.6";
  memset(&first, 0, sizeof first);
  memset(&second, 0, sizeof second);
  memset(&later, 0, sizeof later);
  first.jit = second.jit = later.jit = jit;
  first.knows = "spring", first.address = 0x1000;
  second.knows = "brook", second.address = 0x2000;
  later.knows = "well", later.address = 0x3000;
  OK(add(dylib, &first, 0));
  OK(add(dylib, &second, 0));
  FAILS(URUK_INVALID, "give one of", add(dylib, &first, 2));
  CHECK(uruk_dylib_add_generator(dylib, NULL) == URUK_NULL);
  CHECK(first.destroyed == 0);
  OK(uruk_lookup(dylib, "spring", &address));
  CHECK(address == 0x1000 && first.asked == 1 && second.asked == 0);
  OK(uruk_lookup(dylib, "spring", &address));
  CHECK(first.asked == 1);
  OK(uruk_lookup(dylib, "brook", &address));
  CHECK(address == 0x2000 && first.asked == 2 && second.asked == 1 && first.order < second.order);
  first.knows = "desert", first.address = 0;
  FAILS(URUK_CALLBACK, "a source: `generate`: the source has run dry", uruk_lookup(dylib, "desert", &address));
  OK(add(dylib, &later, 1));
  OK(uruk_lookup(dylib, "well", &address));
  CHECK(address == 0x3000);
  CHECK(pthread_join(later.thread, NULL) == 0);
  later.knows = "dune", later.address = 0;
  FAILS(URUK_CALLBACK, "the well has run dry", uruk_lookup(dylib, "dune", &address));
  CHECK(pthread_join(later.thread, NULL) == 0);
  OK(uruk_dylib_remove_generators(dylib));
  CHECK(first.destroyed == 1 && second.destroyed == 1 && later.destroyed == 1);
  FAILS(URUK_MISSING, "river", uruk_lookup(dylib, "river", &address));
  CHECK(uruk_suspended_finish(NULL, 0, NULL) == URUK_NULL);
  /* A dylib that finds nothing of the process, until it is told where. */
  OK(uruk_jit_create_dylib(jit, "bare", &bare));
  self.dylib = bare, self.all_symbols = 1;
  OK(uruk_dylib_set_search_order(bare, &self, 1));
  FAILS(URUK_MISSING, "strlen", uruk_lookup(bare, "strlen", &address));
  OK(uruk_dylib_add_process(bare));
  OK(uruk_lookup(bare, "strlen", &address));
  OK(uruk_jit_load_libraries_on_demand(jit, &soname, 1));
  CHECK(uruk_jit_load_libraries_on_demand(jit, NULL, 1) == URUK_NULL);
  OK(uruk_lookup(dylib, "lgamma", &address));
}

static void redirectable(uruk_jit *jit, uruk_dylib *dylib) {
  uruk_symbol functions[2], wrong[2];
  uruk_redirection redirection = {"one", "answer_six"};
  uruk_symbol six_symbol;
  uruk_redirectable *handle;
  uint64_t one, two;
  int (*call_one)(void), (*call_two)(void);
  functions[0].name = "one", functions[0].address = address_of(five);
  functions[1].name = "two", functions[1].address = address_of(five);
  OK(uruk_dylib_define_redirectable(dylib, NULL, functions, 2, &handle));
  OK(uruk_lookup(dylib, "one", &one));
  OK(uruk_lookup(dylib, "two", &two));
  FUNCTION(int (*)(void), call_one, one);
  FUNCTION(int (*)(void), call_two, two);
  CHECK(call_one() == 5 && call_two() == 5);
  functions[1].address = address_of(six);
  OK(uruk_redirectable_redirect(handle, &functions[1], 1));
  CHECK(call_one() == 5 && call_two() == 6);
  /* All or none. */
  wrong[0].name = "one", wrong[0].address = address_of(six);
  wrong[1].name = "three", wrong[1].address = address_of(six);
  FAILS(URUK_INVALID, "three", uruk_redirectable_redirect(handle, wrong, 2));
  CHECK(call_one() == 5);
  six_symbol.name = "answer_six", six_symbol.address = address_of(six);
  OK(uruk_dylib_define(dylib, &six_symbol, 1));
  OK(uruk_redirectable_redirect_to(handle, dylib, &redirection, 1));
  CHECK(call_one() == 6);
  redirection.target = "nobody";
  FAILS(URUK_MISSING, "nobody", uruk_redirectable_redirect_to(handle, dylib, &redirection, 1));
  FAILS(URUK_DUPLICATE, "one", uruk_dylib_define_redirectable(dylib, NULL, functions, 2, &handle));
  CHECK(uruk_redirectable_redirect(handle, NULL, 1) == URUK_NULL);
  OK(uruk_redirectable_dispose(handle));
  FAILS(URUK_GONE, "uruk_redirectable is gone", uruk_redirectable_redirect(handle, wrong, 1));
  CHECK(call_one() == 6);
  FAILS(URUK_WRONG_KIND, "uruk_jit", uruk_redirectable_dispose((uruk_redirectable *)jit));
}

/* A source's text, and what its compiler says; IR without the plugin. */
static void sources(uruk_dylib *dylib) {
  uint64_t address, result;
  const uint64_t arguments[] = {40};
  const char *ir = "define i32 @from_ir() {\n  ret i32 3\n}\n";
  OK(uruk_dylib_add_source(dylib, NULL, "c", "twice.c", "int twice(int a) { return 2 * a; }"));
  OK(uruk_dylib_call(dylib, "twice", arguments, 1, &result));
  CHECK((int)result == 80);
  OK(uruk_dylib_add_source(dylib, NULL, "cpp", NULL, "extern \"C\" int thrice(int a) { auto b = a; return 3 * b; }"));
  OK(uruk_dylib_call(dylib, "thrice", arguments, 1, &result));
  CHECK((int)result == 120);
  FAILS(URUK_COMPILE, "error", uruk_dylib_add_source(dylib, NULL, "c", NULL, "int broken( { }"));
  FAILS(URUK_INVALID, "no language's ending", uruk_dylib_add_source(dylib, NULL, "elvish", NULL, ""));
  FAILS(URUK_NULL, "text", uruk_dylib_add_source(dylib, NULL, "c", NULL, NULL));
  setenv("URUK_LLVM", "/nowhere/libllvm.so", 1);
  FAILS(URUK_UNSUPPORTED, "/nowhere/libllvm.so",
        uruk_dylib_add_ir(dylib, NULL, "from_ir.ll", (const uint8_t *)ir, strlen(ir)));
  FAILS(URUK_MISSING, "from_ir", uruk_lookup(dylib, "from_ir", &address));
  CHECK(uruk_dylib_add_ir(dylib, NULL, NULL, NULL, 5) == URUK_NULL);
}

int main(void) {
  uruk_jit *jit;
  uruk_dylib *dylib;
  OK(uruk_jit_create(NULL, &jit));
  OK(uruk_jit_main(jit, &dylib));
  generators(jit, dylib);
  redirectable(jit, dylib);
  sources(dylib);
  OK(uruk_jit_destroy(jit));
  puts("generators: ok");
  return 0;
}
