/* Worlds and images by the wrapper. */

#include "../c/records.h"
#include "check.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <uruk.hpp>
#include <vector>

namespace {

record *records;

std::uint64_t at(const void *place) { return reinterpret_cast<std::uintptr_t>(place); }

/// What a program prints, and the status with which it ends.
std::pair<std::string, int> run(const std::string &command) {
  std::FILE *output = popen(command.c_str(), "r");
  CHECK(output != nullptr);
  std::string text;
  for (int letter; (letter = std::fgetc(output)) != EOF;) text += static_cast<char>(letter);
  int status = pclose(output);
  return {text, WEXITSTATUS(status)};
}

/// Records that nobody adds one by one.
struct Records : uruk::Heap {
  std::vector<record> all = std::vector<record>(3);
  uruk_type_id type = 0;

  uruk_type_id object_at(std::uint64_t address, std::uint64_t &start) noexcept override {
    std::uint64_t begin = at(all.data());
    if (address < begin || begin + all.size() * sizeof(record) <= address) return 0;
    start = address - (address - begin) % sizeof(record);
    return type;
  }
};

void describe(const uruk::World &world, Records &heap) {
  uruk::ObjectType type{"record", sizeof(record), 8};
  type.fields = {uruk::pointer(offsetof(record, next), URUK_POINTER_REFERENCE), uruk::pointer(offsetof(record, function), URUK_POINTER_CODE),
                 uruk::pointer(offsetof(record, stream), URUK_POINTER_DATA), uruk::pointer(offsetof(record, inner), URUK_POINTER_INNER)};
  heap.type = world.add_type(type).value();
  auto cell = world.add_type({"cell", 8, 8, {uruk::pointer(0, URUK_POINTER_REFERENCE)}}).value();
  world.add_cell("records", at(&records), cell).value();
  type.fields.push_back(uruk::tagged_pointer(4, 2, 2));
  fails(world.add_type(type), URUK_INVALID, "not aligned");
  type.fields.clear();
  type.count_width = 3;
  fails(world.add_type(type), URUK_INVALID, "3 bytes");
}

void entries(const uruk::World &world) {
  static record more[4];
  auto type = world.add_type({"raw", sizeof(record), 8, {uruk::pointer(offsetof(record, stream), URUK_POINTER_DATA)}}).value();
  world.add_objects({{at(&more[0]), type, 0}, {at(&more[1]), type, 0}, {at(&more[2]), type, 0}}).value();
  fails(world.add_object(at(&more[0]) + 8, type), URUK_INVALID, "objects[0]: ");
  world.add_pointer(at(&more[0].stream), "stdin", {8, "V", true}).value();
  world.add_own_pointer(at(&more[1].stream), at(&more[0])).value();
  const std::vector<uruk::Named> named = {{at(&more[2].stream), "stdout"}};
  world.add_pointers(named, {-8}).value();
  fails(world.add_pointers({{at(&more[2].stream), "stderr"}}), URUK_DUPLICATE, "fields[0]: ");
  auto all = world.pointers().value();
  CHECK(all.size() == 3 && *all[0].symbol == "stdin" && all[0].options.version == "V" && all[0].options.is_weak);
  CHECK(!all[1].symbol && all[1].target == at(&more[0]) && all[2].options.addend == -8);
  world.remove_pointer(at(&more[2].stream)).value();
  fails(world.remove_pointer(at(&more[2].stream)), URUK_MISSING, "has no entry");
  world.add_named({{at(&more[1]), "second"}}, named).value();
  fails(world.add_named({{at(&more[1]), "again"}, {at(&more[1]), "second"}}, {}), URUK_DUPLICATE, "symbols[1]: ");
  fails(world.add_export("second", at(&more[2])), URUK_DUPLICATE, "one of that name");
  world.add_export("again", at(&more[2])).value();
  world.objects_moved({{at(&more[2]), at(&more[3]), sizeof(record)}}).value();
  CHECK(world.pointers().value()[2].field == at(&more[3].stream));
  world.remove_object(at(&more[3])).value();
  CHECK(world.pointers().value().size() == 2);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 4);
  const std::string folder = argv[3], program = folder + "/program";
  entries(uruk::World::make().value());

  uruk::Options options;
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  uruk::Jit jit = uruk::Jit::make(options).value();
  uruk::Dylib dylib = jit.main();
  dylib.define({uruk::SymbolAddress("records", &records)}).value();
  dylib.add_object_files({argv[1]}).value();
  auto square = dylib.function<long(long)>("square").value();
  uruk::World world = uruk::World::make().value();
  Records heap;
  describe(world, heap);
  for (record &made : heap.all) {
    std::snprintf(made.name, sizeof made.name, "record %d", int(&made - heap.all.data()));
    made.next = records;
    made.function = square;
    made.stream = &stdin;
    made.inner = made.name + 6;
    records = &made;
    world.add_pointer(at(&made.stream), "stdin").value();
  }

  fails(world.trace({"records"}), URUK_IMAGE, "records+0: 0x");
  uruk::Closure closure = world.trace({"records"}, heap).value();
  CHECK(closure.size().value() == std::make_pair(std::uint64_t(4), std::uint64_t(8 + 3 * sizeof(record))));
  CHECK(closure.shares().value().size() == 1 && closure.shares().value()[0].root == "records");
  CHECK(closure.path(at(&heap.all[1].stream)) == "records+0 -> record+0 -> record+16" && closure.path(8).empty());
  CHECK(closure.findings().value().empty() && closure.unused_entries().value().empty());

  uruk::ImageOptions wanted;
  wanted.jit = &jit;
  wanted.world = &world;
  wanted.roots = {"records"};
  wanted.heap = &heap;
  wanted.libraries = {argv[2]};
  uruk::Image image = uruk::Image::make(wanted).value();
  CHECK(image.bytes().value().size() != 0);
  image.save(program).value();
  auto [text, status] = run(program);
  CHECK(status == 7 && text == "record 2  2 16 1\nrecord 1  1 16 1\nrecord 0  0 16 1\ngeneration 1\n");
  wanted.dylibs = {dylib};
  wanted.address = 0x800000;
  wanted.main = "main";
  wanted.keep = {"main"};
  uruk::Image::make(wanted).value().save(program).value();
  CHECK(run(program).second == 7);

  const std::uint64_t own = at(&records);
  std::memcpy(records->name + 16, &own, sizeof own);
  fails(uruk::Image::make(wanted), URUK_IMAGE, "records+0 -> record+48: 0x");
  CHECK(world.trace({"records"}, heap).value().findings().value()[0].value == own);
  wanted.allowed = {"records+0 -> record+48"};
  CHECK(uruk::Image::make(wanted));
  wanted.kind = URUK_IMAGE_OBJECT;
  fails(uruk::Image::make(wanted), URUK_INVALID, "has no meaning for this kind");
  std::puts("images: ok");
  return 0;
}
