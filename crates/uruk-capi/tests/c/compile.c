/* What compilers of a JIT are told, and units that are compiled from texts. */

#define _GNU_SOURCE
#include "check.h"

static int call(uruk_dylib *dylib, const char *name) {
  uint64_t address = 0;
  int (*function)(void);
  OK(uruk_lookup(dylib, name, &address));
  FUNCTION(int (*)(void), function, address);
  return function();
}

static uruk_jit *jit_with(uint32_t optimize, const char *const *flags, uint32_t count, uruk_dylib **dylib) {
  uruk_options options;
  uruk_jit *jit = NULL;
  OK(uruk_options_init(&options, sizeof options));
  options.optimize = optimize;
  options.compiler_flags = flags;
  options.compiler_flag_count = count;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, dylib));
  return jit;
}

/* Sources know by macros what the compiler does, and by functions of themselves what it was told. */
static const char said[] = "int value(void) { return VALUE; }\n"
                           "int level(void) {\n"
                           "#if defined __OPTIMIZE_SIZE__\n"
                           "  return 2;\n"
                           "#elif defined __OPTIMIZE__\n"
                           "  return 1;\n"
                           "#else\n"
                           "  return 0;\n"
                           "#endif\n"
                           "}\n";

static void compilers_do_as_they_are_told(const char *file) {
  static const uint32_t levels[] = {0, URUK_OPTIMIZE_NONE, URUK_OPTIMIZE_LITTLE, URUK_OPTIMIZE_MUCH, URUK_OPTIMIZE_MOST,
                                    URUK_OPTIMIZE_SIZE};
  static const int expected[] = {0, 0, 1, 1, 1, 2};
  static const char *const flags[] = {"-DVALUE=7", "-DOTHER=8"};
  uruk_dylib *dylib;
  uruk_options options;
  uruk_jit *jit;
  size_t index;
  for (index = 0; index < sizeof levels / sizeof *levels; index++) {
    jit = jit_with(levels[index], flags, 2, &dylib);
    OK(uruk_dylib_add_source(dylib, NULL, "c", "said.c", said));
    CHECK(call(dylib, "value") == 7 && call(dylib, "level") == expected[index]);
    OK(uruk_dylib_add_source_file(dylib, file));
    CHECK(call(dylib, "other") == 8);
    OK(uruk_dylib_add_clif(dylib, NULL, "one.clif", "function %one() -> i32 { block0: v0 = iconst.i32 1 return v0 }"));
    CHECK(call(dylib, "one") == 1);
    OK(uruk_jit_destroy(jit));
  }
  OK(uruk_options_init(&options, sizeof options));
  options.optimize = 6;
  FAILS(URUK_INVALID, "6 is not how much", uruk_jit_create(&options, &jit));
  options.optimize = 0;
  options.compiler_flag_count = 1;
  FAILS(URUK_NULL, "compiler_flags", uruk_jit_create(&options, &jit));
}

/* What a unit's definition is compiled from, and what becomes of that. */
struct text {
  const char *language, *name, *text;
  uruk_status status;
  const char *part;
};

static void compile(void *context, uruk_responsibility *responsibility) {
  const struct text *text = context;
  size_t size = strlen(text->text);
  uruk_status status = uruk_responsibility_compile(responsibility, text->language, text->name,
                                                   (const uint8_t *)text->text, size);
  CHECK(status == text->status);
}

static uruk_status look_up(uruk_jit *jit, uruk_dylib *dylib, struct text *text, uint64_t *address) {
  uruk_definition definition;
  uruk_unit unit;
  uruk_name name;
  OK(uruk_name_intern(jit, text->name, &name));
  definition.name = name;
  definition.flags = URUK_DEFINITION_FUNCTION;
  OK(uruk_unit_init(&unit, sizeof unit));
  unit.context = text;
  unit.name = "a compiled unit";
  unit.definitions = &definition;
  unit.definition_count = 1;
  unit.materialize = compile;
  OK(uruk_dylib_define_unit(dylib, NULL, &unit));
  return uruk_lookup(dylib, text->name, address);
}

static void units_are_compiled_from_texts(void) {
  struct text texts[] = {
      {"c", "from_c", "int from_c(void) { return 1; }", URUK_OK, NULL},
      {"clif", "from_clif", "function %from_clif() -> i32 { block0: v0 = iconst.i32 2 return v0 }", URUK_OK, NULL},
      {"s", "from_assembler", ".globl from_assembler\nfrom_assembler: nonsense", URUK_COMPILE, "nonsense"},
      {"c", "broken", "int broken(void) { return this }", URUK_COMPILE, "broken:1:"},
      {"c", "absent", "int another(void) { return 1; }", URUK_INVALID, "`absent`"},
      {"clif", "two", "function %two() { block0: return }\nfunction %more() { block0: return }", URUK_OK, "2 functions"},
      {"clif", "half", "function %half(", URUK_OK, "half"},
      {"klingon", "no_language", "", URUK_INVALID, "klingon"},
      {"ll", "from_ir", "define i32 @from_ir() { ret i32 9 }", URUK_UNSUPPORTED, "/nowhere/libllvm.so"},
  };
  uruk_dylib *dylib;
  uruk_jit *jit = jit_with(0, NULL, 0, &dylib);
  uint64_t address;
  size_t index;
  char message[1024];
  setenv("URUK_LLVM", "/nowhere/libllvm.so", 1);
  for (index = 0; index < sizeof texts / sizeof *texts; index++) {
    if (texts[index].part == NULL) {
      OK(look_up(jit, dylib, &texts[index], &address));
    } else {
      CHECK(look_up(jit, dylib, &texts[index], &address) != URUK_OK);
      uruk_last_message(message, sizeof message);
      CHECK(strstr(message, texts[index].part) != NULL);
    }
  }
  CHECK(call(dylib, "from_c") == 1 && call(dylib, "from_clif") == 2);
  OK(uruk_jit_destroy(jit));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  compilers_do_as_they_are_told(argv[1]);
  units_are_compiled_from_texts();
  puts("compile: ok");
  return 0;
}
