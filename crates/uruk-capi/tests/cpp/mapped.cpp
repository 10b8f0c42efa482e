/* Images that are mapped into this process, by the wrapper. */

#include "../c/nodes.h"
#include "check.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <uruk.hpp>

namespace {

node first{nullptr, nullptr}, *nodes = &first;
long reported;

std::uint64_t at(const void *place) { return reinterpret_cast<std::uintptr_t>(place); }

uruk::Jit retaining() {
  uruk::Options options;
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  return uruk::Jit::make(options).value();
}

/// A world that has the list, of nodes with so many bytes.
uruk::World describe(std::uint64_t list, std::uint64_t node, std::uint64_t size) {
  uruk::World world = uruk::World::make().value();
  uruk::ObjectType type{"node", size, 8, {uruk::pointer(0, URUK_POINTER_REFERENCE), uruk::pointer(8, URUK_POINTER_CODE)}};
  world.add_object(node, world.add_type(type).value()).value();
  world.add_cell("nodes", list, world.add_type({"cell", 8, 8, {uruk::pointer(0, URUK_POINTER_REFERENCE)}}).value()).value();
  return world;
}

auto find = [](std::string_view name) { return name == "reported" ? at(&reported) : 0; };

uruk::Mapped load(const std::string &path, const uruk::LoadOptions &options = {}) {
  return uruk::Mapped::load(path, options, find).value();
}

long call(const uruk::Mapped &image, const char *name, long argument) { return image.function<long(long)>(name).value()(argument); }

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 5);
  const std::string folder = argv[4], path = folder + "/first", second = folder + "/second";
  uruk::ImageOptions wanted;
  wanted.kind = URUK_IMAGE_MAPPED;
  wanted.flags = URUK_IMAGE_STAMP_LAYOUT;
  wanted.main = "main";
  wanted.stamp = "runtime 1";
  wanted.roots = {"nodes"};
  wanted.libraries = {argv[3]};
  {
    uruk::Jit jit = retaining();
    uruk::Dylib program = jit.main();
    program.define({uruk::SymbolAddress("nodes", &nodes), uruk::SymbolAddress("reported", &reported)}).value();
    program.add_object_files({argv[1]}).value();
    first.function = program.function<long(long)>("twice").value();
    uruk::World world = describe(at(&nodes), at(&first), sizeof first);
    wanted.jit = &jit;
    wanted.world = &world;
    uruk::Image::make(wanted).value().save(path).value();
  }
  reported = 0;

  const uruk::World same = describe(8, 64, sizeof first), other = describe(8, 64, sizeof first + 8);
  uruk::LoadOptions options;
  options.arguments = {"program", "7"};
  options.stamp = "runtime 1";
  options.world = &same;
  uruk::Mapped one = load(path, options), two = load(path);
  CHECK(reported == 2 && one.range().value().first != two.range().value().first);
  CHECK(call(one, "sum", 4) == 8 && call(one, "next", 0) == 1 && call(two, "next", 0) == 1);
  CHECK(one.run().value() == 27);
  bool listed = false;
  for (const uruk::MappedSymbol &symbol : one.symbols().value()) {
    if (symbol.name == "sum") listed = symbol.address == one.address("sum").value() && symbol.kind == URUK_TYPE_FUNCTION;
  }
  CHECK(listed);
  fails(one.address("nothing"), URUK_MISSING, "nothing");
  two.close().value();
  CHECK(reported == 102);
  options.world = &other;
  fails(uruk::Mapped::load(path, options, find), URUK_STALE, "laid out differently");
  options.stamp = "runtime 2";
  fails(uruk::Mapped::load(path, options), URUK_STALE, "runtime 1");
  fails(uruk::Mapped::load(argv[1]), URUK_LINK, "no image of Uruk's");

  {
    uruk::Jit jit = retaining();
    one.define(jit.main()).value();
    jit.main().add_object_files({argv[2]}).value();
    node added{nullptr, jit.main().function<long(long)>("thrice").value()};
    uruk::World world = describe(one.address("nodes").value(), at(&added), sizeof added);
    world.add_object(at(*one.variable<node *>("nodes").value()), 1).value();
    one.function<void(node *)>("push").value()(&added);
    wanted.jit = &jit;
    wanted.world = &world;
    wanted.base = &one;
    wanted.main.clear();
    uruk::Image::make(wanted).value().save(second).value();
    wanted.kind = URUK_IMAGE_EXECUTABLE;
    wanted.stamp.clear();
    fails(uruk::Image::make(wanted), URUK_INVALID, "`base` has no meaning");
  }
  fails(uruk::Mapped::load(second, {}, find), URUK_STALE, "load that one first");
  uruk::Mapped fresh = load(path);
  uruk::LoadOptions on;
  on.base = &fresh;
  uruk::Mapped added = load(second, on);
  fresh.close().value();
  CHECK(reported == 103 && call(added, "all", 4) == 4 * 3 + 4 * 2 + 2);
  added.close().value();
  CHECK(reported == 203);

  CHECK(uruk::Image::describe(path).value().find("runtime 1") != std::string::npos);
  CHECK(uruk::Image::differences(path, path).value().empty() && !uruk::Image::differences(path, second).value().empty());
  fails(uruk::Image::describe(argv[0] + std::string("/nothing")), URUK_FILE, "nothing");
  std::puts("mapped: ok");
  return 0;
}
