/* Units of one's own in C++: what they are asked, what becomes of what they answer, and that each is deleted once. */

#include "check.hpp"

#include <fstream>
#include <iterator>
#include <thread>

namespace {

int alive = 0, made = 0, initialised = 0;

/* Counts how many of it there are. */
struct Counted {
  Counted() { alive++; }
  Counted(const Counted &) { alive++; }
  Counted(Counted &&) noexcept { alive++; }
  ~Counted() { alive--; }
};

std::vector<char> object;

/* Defines a name as a constant of four bytes. */
void define(uruk::Responsibility &responsibility, uruk_name name, int value) {
  std::uint64_t address = responsibility.write(URUK_KIND_RODATA, uruk::Bytes(&value, sizeof value), 4).value();
  CHECK(responsibility.resolve(name, address));
}

/* Defines the names that it owes as a number. */
class Number : public uruk::Unit {
 public:
  explicit Number(int value) : value_(value) {}

  const char *name() const noexcept override { return "the number"; }

  void materialize(uruk::Responsibility responsibility) noexcept override {
    made++;
    CHECK(responsibility.name() == "the number" && responsibility.dylib()->name() == "main");
    for (uruk_name name : responsibility.owed().value()) define(responsibility, name, value_);
    fails(responsibility.write(77, std::string("x"), 1), URUK_INVALID, "no kind of memory");
    CHECK(responsibility.emit() && responsibility.handle() == nullptr);
    fails(responsibility.emit(), URUK_NULL, "uruk_responsibility");
  }

 private:
  int value_;
  Counted counted_;
};

void initialise(int, char **, char **) { initialised++; }

class Test {
 public:
  Test() : jit_(uruk::Jit::make().value()), dylib_(jit_.main()), names_(jit_.names()) {}

  uruk_name name(const char *text) const { return names_.intern(text).value(); }
  int value(const char *text) const { return *dylib_.variable<int>(text).value(); }

  template <class Make>
  uruk::Result<void> add(const char *text, Make make, std::uint32_t flags = 0) const {
    return dylib_.define_unit(std::move(make), {{name(text), flags}});
  }

  uruk::Jit jit_;
  uruk::Dylib dylib_;
  uruk::Names names_;
};

void names(const Test &test) {
  CHECK(test.name("a") != 0 && test.name("a") == test.name("a") && test.name("a") != test.name("b"));
  CHECK(test.names_.text(test.name("a name")) == "a name" && test.names_.text(0).empty());
}

void classes(const Test &test) {
  CHECK(test.add("answer", std::make_unique<Number>(42)) && made == 0 && alive == 1);
  CHECK(test.value("answer") == 42 && test.value("answer") == 42 && made == 1 && alive == 0);
  uruk::Tracker tracker = test.dylib_.track().value();
  CHECK(test.dylib_.define_unit(std::make_unique<Number>(1), {{test.name("idle"), 0}}, &tracker) && alive == 1);
  CHECK(tracker.remove() && alive == 0 && made == 1);
  fails(test.add("answer", std::make_unique<Number>(2)), URUK_DUPLICATE, "`answer`");
  fails(test.add("flags", std::make_unique<Number>(2), 1024), URUK_INVALID, "unknown flags");
  CHECK(alive == 0);
}

void settled(const Test &test) {
  CHECK(test.add("compute", [](uruk::Responsibility duty) { CHECK(duty.link(object, "compute.o")); }, URUK_DEFINITION_FUNCTION));
  CHECK(test.dylib_.function<int(int)>("compute").value()(40) == 42);
  CHECK(test.add("strike", [](uruk::Responsibility duty) { CHECK(duty.fail("the unit is on strike")); }));
  fails(test.dylib_.lookup("strike"), URUK_COMPILE, "the unit is on strike");
  CHECK(test.add("nothing", [](uruk::Responsibility duty) { (void)duty; }));
  fails(test.dylib_.lookup("nothing"), URUK_REMOVED, "given up without a reason");
  CHECK(test.add("needy", [&test](uruk::Responsibility duty) {
    define(duty, duty.owed().value()[0], 1);
    fails(duty.emit({{test.name("answer")}, {test.name("nowhere"), test.dylib_}}), URUK_MISSING, "`nowhere`");
  }));
  fails(test.dylib_.lookup("needy"), URUK_MISSING, "`nowhere`");
  auto effects = [](uruk::Responsibility duty) {
    CHECK(duty.add_initialisers({static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(initialise))}) && duty.emit());
  };
  CHECK(test.add("effects", effects, URUK_DEFINITION_SIDE_EFFECTS_ONLY | URUK_DEFINITION_INITIALISER));
  CHECK(initialised == 0 && test.dylib_.initialize() && initialised == 1);
}

/* Of a JIT whose compilers are told something. */
void compiled() {
  uruk::Options options;
  options.optimize = URUK_OPTIMIZE_SIZE;
  options.compiler_flags = {"-DVALUE=5"};
  uruk::Jit jit = uruk::Jit::make(options).value();
  uruk::Dylib main = jit.main();
  const uruk::Names names = jit.names();
  auto define_as = [&](const char *name, const char *language, std::string text) {
    auto make = [=](uruk::Responsibility duty) { CHECK(duty.compile(language, text, name)); };
    return main.define_unit(make, {{names.intern(name).value(), URUK_DEFINITION_FUNCTION}});
  };
  CHECK(define_as("small", "c", "int small(void) { return VALUE + __OPTIMIZE_SIZE__; }"));
  CHECK(main.function<int()>("small").value()() == 6);
  CHECK(define_as("two", "clif", "function %two() -> i32 { block0: v0 = iconst.i32 2 return v0 }"));
  CHECK(main.function<int()>("two").value()() == 2);
}

void elsewhere(const Test &test) {
  std::thread thread;
  CHECK(test.add("later", [&thread](uruk::Responsibility duty) {
    thread = std::thread([duty = std::move(duty)]() mutable {
      define(duty, duty.owed().value()[0], 7);
      CHECK(duty.emit());
    });
  }));
  CHECK(test.value("later") == 7);
  thread.join();
  std::uint64_t found = 0;
  CHECK(test.add("looks", [&test, &found](uruk::Responsibility duty) {
    CHECK(duty.look_up({test.name("answer")}, [&found, counted = Counted()](uruk::Responsibility again, auto addresses) {
      (void)counted;
      found = addresses.value()[0];
      define(again, again.owed().value()[0], 8);
      CHECK(again.emit());
    }));
    CHECK(duty.handle() == nullptr);
  }));
  CHECK(test.value("looks") == 8 && found == test.dylib_.lookup("answer").value() && alive == 0);
  CHECK(test.add("lost", [&test](uruk::Responsibility duty) {
    CHECK(duty.look_up({test.name("nowhere")}, [](uruk::Responsibility again, auto addresses) {
      fails(addresses, URUK_MISSING, "`nowhere`");
      CHECK(again.fail(addresses.error().text()));
    }));
  }));
  fails(test.dylib_.lookup("lost"), URUK_COMPILE, "`nowhere`");
}

/* Of three names only the first was asked for: the second goes to a responsibility of its own, the third back. */
void split(const Test &test) {
  uruk::Tracker tracker = test.dylib_.track().value();
  std::vector<uruk_name> names{test.name("p0"), test.name("p1"), test.name("p2")};
  auto make = [&test, names](uruk::Responsibility duty) {
    CHECK(duty.owed()->size() == 3 && duty.requested().value() == std::vector<uruk_name>{names[0]});
    uruk::Responsibility part = duty.delegate({names[1]}).value();
    define(part, names[1], 12);
    CHECK(part.emit());
    fails(duty.replace(std::make_unique<Number>(1), {{test.name("never promised"), 0}}), URUK_INVALID, "never promised");
    CHECK(alive == 0 && duty.replace(std::make_unique<Number>(13), {{names[2], 0}}) && alive == 1);
    CHECK(duty.define({{test.name("more"), 0}}) && duty.owed()->size() == 2 && duty.keep(Counted()));
    CHECK(alive == 2);
    define(duty, test.name("more"), 14);
    define(duty, names[0], 11);
    CHECK(duty.emit());
  };
  CHECK(test.dylib_.define_unit(make, {{names[0], 0}, {names[1], 0}, {names[2], 0}}, &tracker));
  int before = made;
  CHECK(test.value("p0") == 11 && test.value("p1") == 12 && test.value("more") == 14 && made == before && alive == 2);
  CHECK(test.value("p2") == 13 && made == before + 1 && alive == 1);
  /* What was kept goes with the unit. */
  CHECK(tracker.remove() && test.jit_.quiesce() && alive == 0);
}

void look_ups(const Test &test) {
  int told = 0;
  std::uint64_t answer = test.dylib_.lookup("answer").value();
  CHECK(test.dylib_.lookup_start({"answer", "nobody"}, [&told, answer, counted = Counted()](auto addresses) {
    (void)counted;
    CHECK(addresses.value() == std::vector<std::uint64_t>({answer, 0}));
    told++;
  }, URUK_LOOKUP_WEAK));
  CHECK(test.dylib_.lookup_start({"nobody"}, [&told](auto addresses) {
    fails(addresses, URUK_MISSING, "`nobody`");
    told++;
  }));
  CHECK(told == 2);
  fails(test.dylib_.lookup_start({"answer"}, [&told, counted = Counted()](auto) { told++; }, 64), URUK_INVALID, "unknown flags");
  CHECK(told == 2 && alive == 0);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 2);
  std::ifstream file(argv[1], std::ios::binary);
  object.assign(std::istreambuf_iterator<char>(file), {});
  {
    Test test;
    names(test);
    classes(test);
    settled(test);
  compiled();
    elsewhere(test);
    split(test);
    look_ups(test);
    CHECK(test.add("left", std::make_unique<Number>(1)) && alive == 1);
  }
  CHECK(alive == 0);
  std::puts("units: ok");
  return 0;
}
