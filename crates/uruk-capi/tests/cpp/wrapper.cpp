/* All that the wrapper does but memory managers of one's own. */

#include "check.hpp"

#include <cstring>
#include <fstream>
#include <iterator>

namespace {

int ours(int number) { return number * 10; }

int base = 5;

std::vector<char> read_whole(const char *path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>(std::istreambuf_iterator<char>(file), {});
}

template <class T>
int call(const uruk::Dylib &dylib, const char *name, T argument) {
  return dylib.function<int(T)>(name).value()(argument);
}

void results() {
  uruk::Result<int> good(4), bad(uruk::Error(URUK_LINK, "no"));
  CHECK(good && *good == 4 && !bad && bad.error().status() == URUK_LINK && bad.error().text() == "no");
  CHECK(std::move(bad).value_or(7) == 7 && std::move(good).value_or(7) == 4);
  uruk::Result<std::unique_ptr<int>> owner(std::make_unique<int>(3));
  CHECK(*std::move(owner).value() == 3);
  CHECK(uruk::Result<void>() && !uruk::Result<void>(uruk::Error("no")));
  CHECK(uruk::Error("mine").status() == URUK_CALLBACK);
}

void owners() {
  uruk::Jit first = uruk::Jit::make().value();
  uruk::Jit second = std::move(first);
  CHECK(first.handle() == nullptr && second.handle() != nullptr);
  fails(first.create_dylib("a"), URUK_NULL, "uruk_jit");
  fails(first.main().lookup("a"), URUK_NULL, "uruk_dylib");
  uruk::Dylib dylib = second.main();
  uruk::Tracker tracker = dylib.track().value();
  uruk_jit *plain = second.handle();
  second = uruk::Jit::make().value();
  /* What was there before is gone, with all that was its. */
  CHECK(uruk_jit_quiesce(plain) == URUK_GONE);
  fails(dylib.lookup("f"), URUK_GONE, "uruk_dylib is gone");
  fails(tracker.remove(), URUK_GONE, "uruk_tracker is gone");
  fails(tracker.close(), URUK_GONE, "uruk_tracker is gone");
  CHECK(second.close() && second.handle() == nullptr && second.close());
  {
    uruk::Jit third = uruk::Jit::make().value();
    plain = third.handle();
    CHECK(uruk_jit_quiesce(plain) == URUK_OK);
  }
  CHECK(uruk_jit_quiesce(plain) == URUK_GONE);
}

uruk::Options with(std::uint32_t flags) {
  uruk::Options options;
  options.flags = flags;
  options.link_threads = 1;
  return options;
}

void inputs(char **files) {
  uruk::Jit jit = uruk::Jit::make(with(URUK_JIT_GC_SECTIONS)).value();
  uruk::Dylib objects = jit.create_dylib("objects").value(), archives = jit.create_dylib(std::string("archives")).value();
  CHECK(objects.name() == "objects" && jit.find_dylib("objects").value()->handle() == objects.handle());
  CHECK(!jit.find_dylib("none").value());
  CHECK(objects.define("ours", ours) && objects.define("base", &base) && objects.define("seven", std::uint64_t{7}));
  CHECK(objects.lookup("seven").value() == 7 && *objects.variable<int>("base").value() == 5);

  uruk::Tracker tracker = objects.track().value(), other = objects.track().value();
  CHECK(objects.add_object_files({files[1]}, &tracker));
  CHECK(call(objects, "call_ours", 4) == 41);
  CHECK(objects.call("add", {30, 12}).value() == 42);
  CHECK(objects.function<int(int, int)>("add").value()(1, 2) == 3);
  std::vector<std::uint64_t> addresses = objects.lookup_all({"add", "nobody"}, URUK_LOOKUP_WEAK).value();
  CHECK(addresses[0] == objects.lookup("add").value() && addresses[1] == 0);
  CHECK(0 < jit.memory_statistics().value().live[0]);
  CHECK(tracker.transfer(other) && tracker.remove() && objects.lookup("add"));
  CHECK(other.remove() && jit.quiesce());
  fails(objects.function<int(int, int)>("add"), URUK_MISSING, "`add`");
  CHECK(objects.add_object(read_whole(files[1]), "copy.o"));
  CHECK(call(objects, "twice", 21) == 42);
  fails(objects.add_object(std::string("junk"), "junk.o"), URUK_LINK, "junk.o");
  fails(objects.add_object({"junk", 4}), URUK_LINK, "<memory>");
  CHECK(objects.add_clif("function %cube(i32) -> i32 system_v {\nblock0(v0: i32):\n  v1 = imul v0, v0\n  v2 = imul v1, v0\n  return v2\n}\n"));
  CHECK(call(objects, "cube", 3) == 27);
  CHECK(objects.add_source_file(files[3]) && call(objects, "from_source", 1) == 501);

  CHECK(objects.add_source("c", "int text(int a) { return a - 1; }", "text.c", &other) && call(objects, "text", 1) == 0);
  fails(objects.add_source("c", "int text(", "half.c"), URUK_COMPILE, "half.c");
  {
    uruk::Pin pin = objects.pin("text").value();
    CHECK(other.remove() && reinterpret_cast<int (*)(int)>(static_cast<std::uintptr_t>(pin.address()))(8) == 7);
    CHECK(pin.close() && jit.quiesce());
  }
  fails(objects.pin("text"), URUK_MISSING, "`text`");
  uruk::Result<void> ir = objects.add_ir(std::string("no IR"), "no.ll");
  CHECK(!ir && (ir.error().status() == URUK_UNSUPPORTED || ir.error().text().find("no.ll") != std::string::npos));

  CHECK(archives.add_file(files[2]) && call(archives, "member", 2) == 102);
  CHECK(archives.clear() && archives.add_archive(read_whole(files[2]), "copy.a") && call(archives, "member", 3) == 103);
  CHECK(archives.clear() && archives.add_whole_archive(std::string(files[2])) && archives.initialize());
  CHECK(call(archives, "member", 4) == 104);

  uruk::Dylib user = jit.create_dylib("user").value();
  CHECK(user.link_against({objects, archives}) && user.alias("plus", "add"));
  CHECK(user.lookup("plus").value() == objects.lookup("add").value());
  uruk::Dylib lazy = jit.create_dylib("lazy").value();
  CHECK(lazy.lazy_reexport(objects, std::vector<std::string>{"twice"}) && call(lazy, "twice", 4) == 8);
  CHECK(lazy.set_search_order({{lazy, true}, archives}) && call(lazy, "member", 5) == 105);
  fails(lazy.lookup("plus"), URUK_MISSING, "`plus`");
  CHECK(lazy.remove());
  fails(lazy.clear(), URUK_GONE, "uruk_dylib is gone");
  CHECK(!jit.take_report().value());
}

void programs(const char *file) {
  uruk::Options options = with(URUK_JIT_LAZY_CALLS);
  uruk::StockMemory stock;
  stock.flags = URUK_STOCK_LOW;
  uruk::MemoryManager memory = uruk::MemoryManager::make(stock).value();
  options.memory = &memory;
  uruk::Jit jit = uruk::Jit::make(options).value();
  CHECK(memory.close());
  CHECK(jit.set_arguments({"program", "one", "two"}) && jit.main().add_file(file));
  CHECK(jit.main().lookup("main").value() < 0x80000000u);
  CHECK(jit.main().run().value() == 3 + 't' && jit.main().run("main").value() == 3 + 't');
  CHECK(jit.load_library("libz.so.1") && jit.main().add_library("libm.so.6"));
  fails(jit.load_library("libnone.so"), URUK_EXECUTOR, "libnone.so");
  CHECK(std::strchr(jit.main().function<const char *()>("zlibVersion").value()(), '.') != nullptr);
  options.flags = URUK_JIT_DEBUGGER | URUK_JIT_NO_DEBUGGER;
  options.memory = nullptr;
  fails(uruk::Jit::make(options), URUK_INVALID, "all or nothing");
  stock.flags = 1u << 30;
  fails(uruk::MemoryManager::make(stock), URUK_INVALID, "flags");
}

void laid_out(const char *file) {
  uruk::StockMemory stock;
  stock.flags = URUK_STOCK_LAY_OUT | URUK_STOCK_AT;
  stock.start = std::uint64_t{5} << 40;
  stock.size = 1 << 20;
  uruk::MemoryManager memory = uruk::MemoryManager::make(stock).value();
  uruk::Options options = with(URUK_JIT_LINK_ONLY);
  options.memory = &memory;
  uruk::Jit jit = uruk::Jit::make(options).value();
  CHECK(memory.runs().value().empty() && jit.main().add_file(file));
  std::uint64_t main = jit.main().lookup("main").value();
  std::vector<uruk_memory_run> runs = memory.runs().value();
  CHECK(!runs.empty() && runs[0].kind == URUK_KIND_CODE && stock.start <= runs[0].target);
  CHECK(runs[0].target <= main && main < runs[0].target + runs[0].size);
  std::vector<std::uint8_t> code = memory.read(runs[0].target, runs[0].size).value();
  CHECK(code.size() == runs[0].size && code[main - runs[0].target] != 0);
  fails(memory.read(stock.start - 1, 1), URUK_INVALID, "final bytes at");
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 5);
  results();
  owners();
  inputs(argv);
  programs(argv[4]);
  laid_out(argv[4]);
  std::puts("wrapper: ok");
  return 0;
}
