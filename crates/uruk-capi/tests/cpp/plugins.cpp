/* Plugins in C++: every phase, the graph as it is seen and changed, retained graphs; and listeners. */

#include "check.hpp"

#include <algorithm>
#include <cstring>

namespace {

const char *program;

std::uint64_t notes[2];

std::uint64_t note(std::uint64_t number, std::uint64_t address) {
  if (number == 9) {
    notes[1]++;
  } else {
    notes[0] += *reinterpret_cast<const std::uint64_t *>(static_cast<std::uintptr_t>(address)) + number;
  }
  return 0;
}

/* What is seen of a plugin from outside, which it does not outlive. */
struct Seen {
  int fault = 0, linked = 0, removed = 0, deleted = 0;
  std::uint64_t address = 0, counter = 0;
  std::string failed;
  std::vector<std::string> phases;
};

void check_object(const uruk_plugin_object &object) {
  CHECK(object.object == std::string(program) && std::strcmp(object.dylib, "main") == 0);
}

/* What is there before anything is changed. */
void walk(uruk::Graph graph) {
  bool has_text = false;
  uruk_graph_counts counts = graph.count().value();
  for (uruk::Section section : graph.sections().value()) {
    has_text = has_text || (section.name() == ".text" && section.get()->kind == URUK_SECTION_CODE);
  }
  CHECK(has_text && graph.sections()->size() == counts.sections && graph.blocks()->size() == counts.blocks);
  std::vector<std::string> names;
  for (uruk::Symbol symbol : graph.symbols().value()) {
    CHECK(symbol.get());
    names.push_back(symbol.name());
  }
  CHECK(names.size() == counts.symbols - 1 && std::count(names.begin(), names.end(), "compute") == 1);
  uruk::Symbol compute = graph.find("compute").value();
  uruk_graph_symbol description = compute.get().value();
  CHECK(description.definition == URUK_SYMBOL_IN_BLOCK && description.kind == URUK_TYPE_FUNCTION && description.size != 0);
  uruk::Block block = graph.blocks().value()[description.block];
  CHECK(block.number() == description.block && block.get()->live == 1);
  bool refers_to_value = false;
  for (uruk::Edge edge : block.edges().value()) {
    CHECK(edge.get()->offset < block.get()->size);
    refers_to_value = refers_to_value || edge.target()->name() == "value";
  }
  CHECK(refers_to_value && block.read(description.value, 4).value()[0] != 0);
  fails(block.read(block.get()->size, 1), URUK_INVALID, "do not lie in block");
  fails(graph.find("nobody"), URUK_MISSING, "nobody");
  fails(graph.symbol(counts.symbols).get(), URUK_INVALID, "symbol");
}

/* Changes that leave nothing behind. */
void try_out(uruk::Graph graph, uruk::Section section) {
  uruk::Section zeros = graph.add_section("zeros", URUK_SECTION_ZERO).value();
  CHECK(zeros.retain() && zeros.name() == "zeros");
  uruk::Block other = zeros.add_zero_block(64, 8).value();
  CHECK(other.get()->zero == 1 && other.get()->size == 64);
  fails(zeros.add_block(std::string("bytes"), 1), URUK_INVALID, "starts as zero");
  uruk::Block one = section.add_block(std::string(16, 'a'), 8).value();
  CHECK(one != other && one == one && one.set_alignment(32) && one.set_content(std::string("abcdefgh")));
  CHECK(one.write(1, std::string("x")) && one.read(0, 3).value() == std::vector<std::uint8_t>({'a', 'x', 'c'}));
  CHECK(one.get()->alignment == 32 && one.get()->size == 8);
  uruk::Symbol first = graph.add_symbol(nullptr, one).value(), second = graph.add_symbol("second", one).value();
  CHECK(one.add_edge(0, URUK_EDGE_ABS64, first, 5) && one.edges()->size() == 1);
  uruk::Edge edge = one.edges().value()[0];
  CHECK(edge.get()->addend == 5 && edge.target().value() == first && edge.retarget(second) && edge.target().value() == second);
  CHECK(graph.redirect(second, first).value() == 1 && edge.target().value() == first);
  fails(one.add_edge(4, URUK_EDGE_ABS64, first), URUK_INVALID, "do not lie");
  CHECK(edge.drop() && one.edges()->size() == 0);
  fails(edge.drop(), URUK_INVALID, "edge 0");
  CHECK(second.move(one, 8) && second.get()->value == 8 && one.tie(other));
  CHECK(first.drop() && second.drop() && one.drop() && other.drop());
  uruk_graph_symbol common{};
  common.definition = URUK_SYMBOL_COMMON;
  fails(graph.add_symbol("c", common), URUK_INVALID, "to be added");
}

/* Adds a constant and an action, and counts how often `compute` is entered. */
class Watcher : public uruk::Plugin {
 public:
  explicit Watcher(Seen &seen) : seen_(seen) {}
  ~Watcher() override { seen_.deleted++; }

  const char *name() const noexcept override { return "watcher"; }

  uruk::Result<void> pre_prune(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    seen_.phases.push_back("pre_prune");
    check_object(object);
    if (seen_.fault == 1) return uruk::Error("the watcher does not like it");
    walk(graph);
    uruk::Section constants = graph.add_section("constants", URUK_SECTION_RODATA).value();
    try_out(graph, constants);
    const int constant = 1234;
    uruk::Block block = constants.add_block(uruk::Bytes(&constant, sizeof constant), 4).value();
    CHECK(graph.add_symbol("extra_constant", block, 0, URUK_BINDING_GLOBAL, URUK_TYPE_OBJECT, 4));
    constant_ = block.number();
    uruk::Symbol note = graph.external("note").value();
    CHECK(graph.external("note").value() == note);
    note_ = note.number();
    uruk::Section scratch = graph.add_section("scratch", URUK_SECTION_SCRATCH).value();
    const std::uint64_t number = 1;
    uruk::Symbol number_symbol = graph.add_symbol(nullptr, scratch.add_block(uruk::Bytes(&number, sizeof number), 8).value()).value();
    uruk::Call finalize(note, {7, number_symbol}), deallocate(note, {9, 0});
    return graph.add_action(&finalize, &deallocate);
  }

  uruk::Result<void> post_prune(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    seen_.phases.push_back("post_prune");
    check_object(object);
    /* lock incq counter(%rip); jmp body */
    const std::vector<std::uint8_t> code{0xf0, 0x48, 0xff, 0x05, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0};
    uruk::Symbol compute = graph.find("compute").value();
    uruk_graph_symbol description = compute.get().value();
    uruk::Symbol body = graph.add_symbol(nullptr, graph.block(description.block), description.value).value();
    uruk::Block counter = graph.add_section("counters", URUK_SECTION_ZERO)->add_zero_block(8, 8).value();
    uruk::Block entry = graph.add_section(".text.entry", URUK_SECTION_CODE)->add_block(code, 16).value();
    CHECK(entry.add_edge(4, URUK_EDGE_PC32, graph.add_symbol("counter", counter).value(), -4));
    CHECK(entry.add_edge(9, URUK_EDGE_BRANCH32, body, -4));
    fails(graph.add_symbol("late", counter, 0, URUK_BINDING_GLOBAL), URUK_INVALID, "before pruning");
    counter_ = counter.number(), entry_ = entry.number();
    return compute.move(entry);
  }

  uruk::Result<void> post_allocation(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    seen_.phases.push_back("post_allocation");
    check_object(object);
    uruk::Block entry = graph.block(entry_);
    seen_.address = entry.get()->address;
    CHECK(graph.section(entry.get()->section).get()->address == seen_.address);
    CHECK(seen_.address != 0 && graph.find("compute")->get()->address == seen_.address);
    fails(entry.drop(), URUK_INVALID, "`pre_prune` and `post_prune` only");
    if (seen_.fault == 2) return uruk::Error(URUK_OK, "the watcher is late");
    return {};
  }

  uruk::Result<void> pre_fixup(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    seen_.phases.push_back("pre_fixup");
    check_object(object);
    CHECK(graph.symbol(note_).get()->address == static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(note)));
    return {};
  }

  uruk::Result<void> post_fixup(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    seen_.phases.push_back("post_fixup");
    check_object(object);
    const int constant = 4321;
    seen_.counter = graph.block(counter_).get()->address;
    return graph.block(constant_).write(0, uruk::Bytes(&constant, sizeof constant));
  }

  void linked(const uruk_plugin_object &object, uruk::Graph graph) noexcept override {
    check_object(object);
    CHECK(graph.object() == program && graph.count());
    seen_.linked++;
  }

  void failed(const uruk_plugin_object &object, const uruk::Error &error) noexcept override {
    check_object(object);
    CHECK(error.status() == URUK_CALLBACK);
    seen_.failed = error.text();
  }

  void removing(const uruk_plugin_object &object) noexcept override {
    check_object(object);
    seen_.removed++;
  }

 private:
  Seen &seen_;
  std::uint32_t note_ = 0, constant_ = 0, counter_ = 0, entry_ = 0;
};

uruk::Jit jit_with(Seen &seen) {
  uruk::Jit jit = uruk::Jit::make().value();
  CHECK(jit.add_plugin(std::make_unique<Watcher>(seen)) && jit.main().define("note", note));
  return jit;
}

void works() {
  Seen seen;
  {
    uruk::Jit jit = jit_with(seen);
    uruk::Tracker tracker = jit.main().track().value();
    CHECK(jit.main().add_object_files({program}, &tracker));
    auto compute = jit.main().function<int(int)>("compute").value();
    CHECK(compute(37) == 42 && compute(1) == 6 && seen.linked == 1);
    CHECK(seen.phases == std::vector<std::string>({"pre_prune", "post_prune", "post_allocation", "pre_fixup", "post_fixup"}));
    CHECK(*reinterpret_cast<const std::uint64_t *>(static_cast<std::uintptr_t>(seen.counter)) == 2);
    CHECK(reinterpret_cast<std::uintptr_t>(compute) == seen.address);
    CHECK(*jit.main().variable<int>("extra_constant").value() == 4321);
    CHECK(notes[0] == 8 && notes[1] == 0 && seen.removed == 0);
    CHECK(tracker.remove() && jit.quiesce() && seen.removed == 1 && notes[1] == 1 && seen.deleted == 0);
  }
  CHECK(seen.deleted == 1 && seen.failed.empty());
}

void faults(int fault, const char *text) {
  Seen seen;
  {
    uruk::Jit jit = jit_with(seen);
    seen.fault = fault;
    CHECK(jit.main().add_file(program));
    fails(jit.main().lookup("compute"), URUK_CALLBACK, text);
    CHECK(seen.failed.find(text) != std::string::npos && seen.failed.find("watcher") != std::string::npos && seen.linked == 0);
  }
  CHECK(seen.deleted == 1);
  fails(uruk::Jit(nullptr).add_plugin(std::make_unique<Watcher>(seen)), URUK_NULL, "uruk_jit");
  CHECK(seen.deleted == 2);
}

/* One that does nothing changes nothing. */
class Idle : public uruk::Plugin {};

void retained() {
  uruk::Options options;
  options.flags = URUK_JIT_RETAIN_GRAPHS;
  std::vector<uruk::RetainedGraph> graphs;
  std::uint64_t address = 0;
  {
    uruk::Jit jit = uruk::Jit::make(options).value();
    CHECK(jit.add_plugin(std::make_unique<Idle>()) && jit.main().add_file(program) && jit.main().retained_graphs()->empty());
    address = jit.main().lookup("compute").value();
    graphs = jit.main().retained_graphs().value();
  }
  CHECK(graphs.size() == 1 && graphs[0].graph().object() == program);
  uruk::Graph graph = graphs[0].graph();
  CHECK(graph.find("compute")->get()->address == address);
  fails(graph.find("compute")->drop(), URUK_INVALID, "can be changed by");
  graphs.clear();
  fails(graph.count(), URUK_GONE, "gone");
}

struct Heard {
  int loaded = 0, freed = 0, deleted = 0;
  std::uint64_t id = 0, compute = 0;
};

class Ear : public uruk::Listener {
 public:
  explicit Ear(Heard &heard) : heard_(heard) {}
  ~Ear() override { heard_.deleted++; }

  void loaded(const uruk::Loaded &object) noexcept override {
    heard_.loaded++;
    heard_.id = object->id;
    CHECK(object->object == std::string(program) && object.symbols().size() != 0);
    for (const uruk_loaded_symbol &symbol : object.symbols()) {
      if (std::strcmp(symbol.name, "compute") == 0) heard_.compute = symbol.address;
    }
    uruk::Bytes image = object.debug_image().value();
    CHECK(64 < image.size() && std::memcmp(image.data(), "\177ELF", 4) == 0);
  }

  void freed(std::uint64_t id) noexcept override {
    CHECK(id == heard_.id);
    heard_.freed++;
  }

 private:
  Heard &heard_;
};

void listeners() {
  Heard heard;
  {
    uruk::Jit jit = uruk::Jit::make().value();
    CHECK(jit.add_listener(std::make_unique<Ear>(heard)) && jit.main().add_file(program));
    CHECK(jit.main().lookup("compute").value() == heard.compute && heard.loaded == 1 && heard.freed == 0);
    CHECK(jit.main().clear() && jit.quiesce() && heard.freed == 1 && heard.deleted == 0);
  }
  CHECK(heard.deleted == 1);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 2);
  program = argv[1];
  works();
  faults(1, "`pre_prune`: the watcher does not like it");
  faults(2, "`post_allocation`: the watcher is late");
  retained();
  listeners();
  std::puts("plugins: ok");
  return 0;
}
