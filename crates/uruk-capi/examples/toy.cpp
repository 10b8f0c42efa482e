/* A toy language whose functions are compiled when a call first needs them: `toy 'twice x = x + x' 'four x = twice (twice x)' four 10`
 * says 40, and names what was compiled, in that order. A function has one parameter; an expression is a parameter, a number, a sum, or
 * a call with its argument in parentheses or a name. The debugger sees all of it, since the JIT is told so. */

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <uruk.hpp>

namespace {

struct Function {
  std::string parameter, body;
};

/* Translates a function to Cranelift's language. */
class Translation {
 public:
  explicit Translation(const Function &function) : function_(function), at_(function.body.c_str()) {}

  std::string text(const std::string &name) {
    int result = expression();
    return "function %" + name + "(i64) -> i64 system_v {\n" + declarations_ + "block0(v0: i64):\n" + body_ + "  return v" +
           std::to_string(result) + "\n}\n";
  }

 private:
  void skip() {
    while (*at_ == ' ') at_++;
  }

  bool take(char letter) {
    skip();
    if (*at_ != letter) return false;
    at_++;
    return true;
  }

  std::string word() {
    std::string word;
    for (skip(); std::isalnum(static_cast<unsigned char>(*at_)); at_++) word += *at_;
    return word;
  }

  /* Adds an instruction, and returns the number of its value. */
  int emit(const std::string &instruction) {
    body_ += "  v" + std::to_string(++values_) + " = " + instruction + "\n";
    return values_;
  }

  int term() {
    if (take('(')) {
      int value = expression();
      take(')');
      return value;
    }
    std::string text = word();
    if (text == function_.parameter) return 0;
    if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0]))) return emit("iconst.i64 " + text);
    std::string argument = std::to_string(term()), callee = "fn" + std::to_string(callees_++);
    declarations_ += "  " + callee + " = %" + text + "(i64) -> i64 system_v\n";
    return emit("call " + callee + "(v" + argument + ")");
  }

  int expression() {
    int left = term();
    while (take('+')) {
      int right = term();
      left = emit("iadd v" + std::to_string(left) + ", v" + std::to_string(right));
    }
    return left;
  }

  const Function &function_;
  const char *at_;
  std::string declarations_, body_;
  int values_ = 0, callees_ = 0;
};

}  // namespace

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: toy 'NAME PARAMETER = EXPRESSION'… NAME NUMBER\n");
    return 1;
  }
  std::map<std::string, Function> functions;
  uruk::Options options;
  options.flags = URUK_JIT_DEBUGGER;
  uruk::Jit jit = uruk::Jit::make(options).value();
  uruk::Dylib program = jit.main(), bodies = jit.create_dylib("bodies").value();
  /* Asked for a body that the dylib lacks: by the first call of its function. */
  auto compile = [&functions, names = jit.names()](const uruk::Wanted &wanted) -> uruk::Result<void> {
    for (const uruk_wanted_name &wanted_name : wanted) {
      auto found = functions.find(names.text(wanted_name.name));
      if (found == functions.end()) continue;
      const auto &[name, function] = *found;
      std::printf("compiling %s\n", name.c_str());
      uruk::Result<void> added = wanted.dylib().add_clif(Translation(function).text(name), name);
      if (!added) return added;
    }
    return {};
  };
  bodies.add_generator(compile).value();
  for (int i = 1; i < argc - 2; i++) {
    std::istringstream line(argv[i]);
    std::string name, equals;
    Function function;
    if (!(line >> name >> function.parameter >> equals) || equals != "=" || !std::getline(line, function.body)) {
      std::fprintf(stderr, "`%s` is no function\n", argv[i]);
      return 1;
    }
    /* Whoever calls it calls a stub, whose first call asks for the body. */
    program.lazy_reexport(bodies, {name}).value();
    functions[name] = function;
  }
  auto entry = program.function<std::int64_t(std::int64_t)>(argv[argc - 2]).value();
  std::printf("%lld\n", static_cast<long long>(entry(std::atoll(argv[argc - 1]))));
  return 0;
}
