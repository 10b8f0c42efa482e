/* A toy language whose functions are compiled when a call first needs them: `toy 'twice x = x + x' 'four x = twice (twice x)' four 10`
 * says 40, and names what was compiled, in that order. A function has one parameter; an expression is a parameter, a number, a sum, or
 * a call with its argument in parentheses or a name. The debugger sees all of it, since the JIT is told so. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uruk.h>

#define MOST 16

struct function {
  char name[32], parameter[32];
  const char *body;
  uruk_dylib *bodies;
};

static struct function functions[MOST];
static int count;

static void must(uruk_status status) {
  char text[1000];
  if (status != URUK_OK) {
    uruk_last_message(text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
  }
}

/* The code of a function, as it is made. */
struct code {
  const struct function *function;
  const char *at;
  char declarations[400], body[2000];
  int values, callees;
};

static int expression(struct code *code);

static const char *word(struct code *code, char *text) {
  int length = 0;
  while (*code->at == ' ') {
    code->at++;
  }
  while (isalnum((unsigned char)*code->at) && length < 31) {
    text[length++] = *code->at++;
  }
  text[length] = 0;
  while (*code->at == ' ') {
    code->at++;
  }
  return text;
}

/* Adds an instruction, and returns the number of its value. */
static int emit(struct code *code, const char *text) {
  size_t used = strlen(code->body);
  snprintf(code->body + used, sizeof code->body - used, "  v%d = %s\n", ++code->values, text);
  return code->values;
}

static int term(struct code *code) {
  char text[32], line[100];
  int value;
  size_t used;
  if (*code->at == '(') {
    code->at++;
    value = expression(code);
    code->at += *code->at == ')';
    return value;
  }
  word(code, text);
  if (strcmp(text, code->function->parameter) == 0) {
    return 0;
  }
  if (text[0] == 0 || isdigit((unsigned char)text[0])) {
    snprintf(line, sizeof line, "iconst.i64 %s", text);
    return emit(code, line);
  }
  value = term(code);
  used = strlen(code->declarations);
  snprintf(code->declarations + used, sizeof code->declarations - used, "  fn%d = %%%s(i64) -> i64 system_v\n", code->callees, text);
  snprintf(line, sizeof line, "call fn%d(v%d)", code->callees++, value);
  return emit(code, line);
}

static int expression(struct code *code) {
  char line[100];
  int left = term(code);
  while (*code->at == ' ') {
    code->at++;
  }
  while (*code->at == '+') {
    code->at++;
    while (*code->at == ' ') {
      code->at++;
    }
    snprintf(line, sizeof line, "iadd v%d, v%d", left, term(code));
    left = emit(code, line);
  }
  return left;
}

/* Asked for a body that the dylib lacks: by the first call of its function. */
static int32_t generate(void *context, const uruk_wanted *wanted, char **message) {
  uint64_t i;
  int j;
  for (i = 0; i < wanted->count; i++) {
    char name[32];
    uruk_name_text(context, wanted->names[i].name, name, sizeof name);
    for (j = 0; j < count; j++) {
      if (strcmp(functions[j].name, name) == 0) {
        struct code code;
        char text[3000];
        int result;
        memset(&code, 0, sizeof code);
        code.function = &functions[j];
        code.at = functions[j].body;
        result = expression(&code);
        snprintf(text, sizeof text, "function %%%s(i64) -> i64 system_v {\n%sblock0(v0: i64):\n%s  return v%d\n}\n", name,
                 code.declarations, code.body, result);
        printf("compiling %s\n", name);
        if (uruk_dylib_add_clif(wanted->dylib, NULL, name, text) != URUK_OK) {
          char why[500];
          uruk_last_message(why, sizeof why);
          *message = uruk_message(why);
          return 1;
        }
      }
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  uruk_options options;
  uruk_generator_callbacks callbacks;
  uruk_jit *jit;
  uruk_dylib *program, *bodies;
  uint64_t address;
  int64_t (*entry)(int64_t);
  int i;
  must(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_DEBUGGER;
  must(uruk_jit_create(&options, &jit));
  must(uruk_jit_main(jit, &program));
  must(uruk_jit_create_dylib(jit, "bodies", &bodies));
  must(uruk_generator_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = jit;
  callbacks.name = "the toy's compiler";
  callbacks.generate = generate;
  must(uruk_dylib_add_generator(bodies, &callbacks));
  for (i = 1; i + 2 < argc && count < MOST; i++) {
    const char *equals = strchr(argv[i], '=');
    const char *names[1];
    if (equals == NULL || sscanf(argv[i], "%31s %31s", functions[count].name, functions[count].parameter) != 2) {
      fprintf(stderr, "`%s` is no function\n", argv[i]);
      return 1;
    }
    functions[count].body = equals + 1 + strspn(equals + 1, " ");
    names[0] = functions[count++].name;
    /* Whoever calls it calls a stub, whose first call asks the generator for the body. */
    must(uruk_dylib_lazy_reexport(program, bodies, names, 1));
  }
  if (i + 2 != argc) {
    fprintf(stderr, "usage: toy 'NAME PARAMETER = EXPRESSION'… NAME NUMBER\n");
    return 1;
  }
  must(uruk_lookup(program, argv[i], &address));
  memcpy(&entry, &address, sizeof entry);
  printf("%lld\n", (long long)entry(atoll(argv[i + 1])));
  must(uruk_jit_destroy(jit));
  return 0;
}
