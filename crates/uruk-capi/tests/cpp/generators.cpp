/* Generators of one's own in C++, at once and later; stock ones; functions that are led elsewhere; versions. */

#include "check.hpp"

#include <thread>

namespace {

int five() { return 5; }

int six() { return 6; }

int asked = 0, deleted = 0;

/* Knows one name, of which it defines that it is at this address; 0: it fails. */
class Spring : public uruk::Generator {
 public:
  Spring(uruk::Names names, std::string knows, std::uint64_t address) : names_(names), knows_(std::move(knows)), address_(address) {}
  ~Spring() override { deleted++; }

  const char *name() const noexcept override { return "a spring"; }

  uruk::Result<void> generate(const uruk::Wanted &wanted) noexcept override {
    asked++;
    CHECK(wanted.kind() == URUK_LOOKED_UP_STATICALLY && wanted.size() != 0);
    for (const uruk_wanted_name &name : wanted) {
      if (names_.text(name.name) != knows_ || !name.required) continue;
      if (address_ == 0) return uruk::Error("the spring has run dry");
      return wanted.dylib().define(knows_, address_);
    }
    return {};
  }

 private:
  uruk::Names names_;
  std::string knows_;
  std::uint64_t address_;
};

/* Answers on another thread. */
class Well : public uruk::LaterGenerator {
 public:
  Well(uruk::Names names, std::thread &thread) : names_(names), thread_(thread) {}
  ~Well() override { deleted++; }

  const char *name() const noexcept override { return "a well"; }

  void generate_later(const uruk::Wanted &wanted, uruk::Suspended suspended) noexcept override {
    std::string text = names_.text(wanted.begin()->name);
    if (text == "water") {
      thread_ = std::thread([dylib = wanted.dylib(), suspended = std::move(suspended)]() mutable {
        CHECK(dylib.define("water", std::uint64_t{0x3000}) && suspended.finish());
        fails(suspended.finish(), URUK_NULL, "suspended");
      });
    } else if (text == "wine") {
      CHECK(suspended.finish(uruk::Error("the well has water only")));
    } else if (text != "nothing") {
      CHECK(suspended.finish());
    }
  }

 private:
  uruk::Names names_;
  std::thread &thread_;
};

void generators(const uruk::Jit &jit) {
  uruk::Dylib dylib = jit.main();
  std::thread thread;
  CHECK(dylib.add_generator(std::make_unique<Spring>(jit.names(), "spring", 0x1000)));
  CHECK(dylib.add_generator(std::make_unique<Spring>(jit.names(), "desert", 0)));
  CHECK(dylib.lookup("spring").value() == 0x1000 && asked == 1);
  fails(dylib.lookup("desert"), URUK_CALLBACK, "a spring: `generate`: the spring has run dry");
  CHECK(asked == 3);
  CHECK(dylib.add_generator(std::make_unique<Well>(jit.names(), thread)));
  CHECK(dylib.lookup("water").value() == 0x3000);
  thread.join();
  fails(dylib.lookup("wine"), URUK_CALLBACK, "a well");
  fails(dylib.lookup("wine"), URUK_CALLBACK, "the well has water only");
  fails(dylib.lookup("nothing"), URUK_CALLBACK, "the generator has let go of the look-up");
  auto called = [names = jit.names()](const uruk::Wanted &wanted) -> uruk::Result<void> {
    return names.text(wanted.begin()->name) == "called" ? wanted.dylib().define("called", five) : uruk::Result<void>();
  };
  auto later = [names = jit.names()](const uruk::Wanted &wanted, uruk::Suspended suspended) {
    CHECK(names.text(wanted.begin()->name) != "later" || wanted.dylib().define("later", six));
    CHECK(suspended.finish());
  };
  CHECK(dylib.add_generator(called) && dylib.add_generator(later));
  CHECK(dylib.function<int()>("called").value()() == 5 && dylib.function<int()>("later").value()() == 6);
  CHECK(deleted == 0 && dylib.remove_generators() && deleted == 3);
  fails(dylib.lookup("river"), URUK_MISSING, "`river`");
  fails(uruk::Dylib(nullptr).add_generator(std::make_unique<Spring>(jit.names(), "a", 0)), URUK_NULL, "uruk_dylib");
  CHECK(deleted == 4);
}

void stock(const uruk::Jit &jit) {
  uruk::Dylib bare = jit.create_dylib("bare").value();
  CHECK(bare.set_search_order({{bare, true}}));
  fails(bare.lookup("strlen"), URUK_MISSING, "`strlen`");
  CHECK(bare.add_process() && bare.lookup("strlen"));
  CHECK(jit.load_libraries_on_demand({"libm.so.6"}) && jit.main().lookup("lgamma"));
}

void redirectable(const uruk::Jit &jit) {
  uruk::Dylib dylib = jit.main();
  CHECK(dylib.define({{"a_five", five}, {"a_six", six}}));
  uruk::Tracker tracker = dylib.track().value();
  uruk::Redirectable functions = dylib.define_redirectable({{"one", five}, {"two", five}}, &tracker).value();
  auto one = dylib.function<int()>("one").value(), two = dylib.function<int()>("two").value();
  CHECK(one() == 5 && two() == 5);
  CHECK(functions.redirect({{"two", six}}) && one() == 5 && two() == 6);
  fails(functions.redirect({{"one", six}, {"three", six}}), URUK_INVALID, "three");
  CHECK(one() == 5);
  CHECK(functions.redirect(dylib, {{"one", "a_six"}, {"two", "a_five"}}) && one() == 6 && two() == 5);
  fails(functions.redirect(dylib, {{"one", "nobody"}}), URUK_MISSING, "`nobody`");
  fails(dylib.define_redirectable({{"one", five}}), URUK_DUPLICATE, "`one`");
  CHECK(functions.close() && one() == 6 && tracker.remove());
  fails(dylib.lookup("one"), URUK_MISSING, "`one`");
}

}  // namespace

int main() {
  CHECK(uruk::is_compatible() && uruk::abi_version() == URUK_ABI_VERSION && std::string(uruk::version()).find('.') != std::string::npos);
  uruk::Jit jit = uruk::Jit::make().value();
  generators(jit);
  stock(jit);
  redirectable(jit);
  std::puts("generators: ok");
  return 0;
}
