/* Graphs of objects, for plugins and to be looked at. Part of `uruk.hpp`, which is to be included.
 *
 * Graphs, sections, blocks, symbols and edges say only which they are: their graph is lent to a plugin, or somebody retains it. A plugin
 * has another one in each phase, in which a thing is found by the number that it had before. What each function does, and when it may, is
 * said at the one of `uruk.h` that it calls.
 */

#ifndef URUK_GRAPH_HPP
#define URUK_GRAPH_HPP

#include "dylib.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace uruk {

namespace detail {

/// Things of a graph or a block, which are numbered.
template <class T, class Of>
class Numbered {
 public:
  class Iterator {
   public:
    Iterator(Of of, std::uint32_t number) : of_(of), number_(number) {}
    T operator*() const { return T(of_, number_); }
    Iterator &operator++() {
      number_++;
      return *this;
    }
    bool operator!=(const Iterator &other) const { return number_ != other.number_; }

   private:
    Of of_;
    std::uint32_t number_;
  };

  Numbered(Of of, std::uint32_t first, std::uint32_t end) : of_(of), first_(first), end_(end) {}

  Iterator begin() const { return Iterator(of_, first_); }
  Iterator end() const { return Iterator(of_, end_); }
  std::size_t size() const { return end_ - first_; }
  T operator[](std::uint32_t index) const { return T(of_, first_ + index); }

 private:
  Of of_;
  std::uint32_t first_, end_;
};

/// Something of a graph.
class GraphPart {
 public:
  GraphPart(uruk_graph *graph, std::uint32_t number) : graph_(graph), number_(number) {}

  uruk_graph *graph() const { return graph_; }
  std::uint32_t number() const { return number_; }
  bool operator==(const GraphPart &other) const { return graph_ == other.graph_ && number_ == other.number_; }
  bool operator!=(const GraphPart &other) const { return !(*this == other); }

 private:
  uruk_graph *graph_;
  std::uint32_t number_;
};

/// What a function has put into `number`, if it has succeeded.
template <class T>
Result<T> part(uruk_status status, uruk_graph *graph, const std::uint32_t &number) {
  if (status != URUK_OK) return Error::last();
  return T(graph, number);
}

}  // namespace detail

class Edge;

/// A symbol.
class Symbol : public detail::GraphPart {
 public:
  using GraphPart::GraphPart;

  Result<uruk_graph_symbol> get() const {
    uruk_graph_symbol symbol{};
    return detail::checked(uruk_graph_get_symbol(graph(), number(), &symbol), symbol);
  }

  std::string name() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_graph_symbol_name(graph(), number(), buffer, size); });
  }

  /// Moves it to a place in a block: who refers to it refers to that.
  Result<void> move(const GraphPart &block, std::uint64_t offset = 0) const {
    return detail::checked(uruk_graph_move_symbol(graph(), number(), block.number(), offset));
  }

  /// Drops it; no edge may refer to it any more.
  Result<void> drop() const { return detail::checked(uruk_graph_drop_symbol(graph(), number())); }
};

/// A block: bytes that stay together.
class Block : public detail::GraphPart {
 public:
  using GraphPart::GraphPart;

  Result<uruk_graph_block> get() const {
    uruk_graph_block block{};
    return detail::checked(uruk_graph_get_block(graph(), number(), &block), block);
  }

  /// Its edges, in order of their offsets. Numbers change as edges are added and dropped.
  Result<detail::Numbered<Edge, Block>> edges() const;

  /// Copies bytes: those of the object, or in `post_fixup` what was made of them.
  Result<std::vector<std::uint8_t>> read(std::uint64_t offset, std::size_t size) const {
    std::vector<std::uint8_t> bytes(size);
    return detail::checked(uruk_graph_read(graph(), number(), offset, bytes.data(), size), bytes);
  }

  /// Changes bytes, before allocation or in `post_fixup`.
  Result<void> write(std::uint64_t offset, Bytes bytes) const {
    return detail::checked(uruk_graph_write(graph(), number(), offset, bytes.data(), bytes.size()));
  }

  /// Gives it other bytes, perhaps more or fewer.
  Result<void> set_content(Bytes bytes) const {
    return detail::checked(uruk_graph_set_content(graph(), number(), bytes.data(), bytes.size()));
  }

  Result<void> set_alignment(std::uint64_t alignment) const {
    return detail::checked(uruk_graph_set_alignment(graph(), number(), alignment));
  }

  /// Adds an edge at an offset: a field of this kind (`URUK_EDGE_…`) that depends on a symbol.
  Result<void> add_edge(std::uint32_t offset, std::uint32_t kind, Symbol target, std::int64_t addend = 0) const {
    uruk_graph_edge edge{offset, kind, target.number(), 0, addend};
    return detail::checked(uruk_graph_add_edge(graph(), number(), &edge));
  }

  /// Lets it live if another does.
  Result<void> tie(Block to) const { return detail::checked(uruk_graph_tie(graph(), number(), to.number())); }

  /// Drops it, with what it defines.
  Result<void> drop() const { return detail::checked(uruk_graph_drop_block(graph(), number())); }
};

/// An edge, by its place among those of its block: a field that depends on a symbol.
class Edge {
 public:
  Edge(Block block, std::uint32_t index) : block_(block), index_(index) {}

  Result<uruk_graph_edge> get() const {
    uruk_graph_edge edge{};
    return detail::checked(uruk_graph_get_edge(block_.graph(), block_.number(), index_, &edge), edge);
  }

  Result<Symbol> target() const {
    Result<uruk_graph_edge> edge = get();
    if (!edge) return edge.error();
    return Symbol(block_.graph(), edge->target);
  }

  /// Points it at another symbol.
  Result<void> retarget(Symbol target) const {
    return detail::checked(uruk_graph_retarget(block_.graph(), block_.number(), index_, target.number()));
  }

  /// Drops it: its field keeps the bytes that the block has there.
  Result<void> drop() const { return detail::checked(uruk_graph_drop_edge(block_.graph(), block_.number(), index_)); }

 private:
  Block block_;
  std::uint32_t index_;
};

inline Result<detail::Numbered<Edge, Block>> Block::edges() const {
  Result<uruk_graph_block> block = get();
  if (!block) return block.error();
  return detail::Numbered<Edge, Block>(*this, 0, block->edges);
}

/// A section.
class Section : public detail::GraphPart {
 public:
  using GraphPart::GraphPart;

  Result<uruk_graph_section> get() const {
    uruk_graph_section section{};
    return detail::checked(uruk_graph_get_section(graph(), number(), &section), section);
  }

  std::string name() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_graph_section_name(graph(), number(), buffer, size); });
  }

  /// Lets a collection of sections keep it although nothing refers to it.
  Result<void> retain() const { return detail::checked(uruk_graph_retain_section(graph(), number())); }

  /// Adds a block of bytes, which are copied.
  Result<Block> add_block(Bytes bytes, std::uint64_t alignment) const {
    std::uint32_t block = 0;
    return detail::part<Block>(uruk_graph_add_block(graph(), number(), bytes.data(), bytes.size(), alignment, &block), graph(), block);
  }

  /// Adds a block of bytes that start as zero, to a section of such a kind.
  Result<Block> add_zero_block(std::uint64_t size, std::uint64_t alignment) const {
    std::uint32_t block = 0;
    return detail::part<Block>(uruk_graph_add_zero_block(graph(), number(), size, alignment, &block), graph(), block);
  }
};

/// What a function of an action is given: a number, or the address of a symbol and so many bytes more.
class Argument {
 public:
  Argument(std::int64_t value) : argument_{0, 0, value} {}
  Argument(Symbol symbol, std::int64_t offset = 0) : argument_{symbol.number(), 0, offset} {}

  operator uruk_graph_argument() const { return argument_; }

 private:
  uruk_graph_argument argument_;
};

/// A call, in the process where code runs, of a function of C with at most six integers, which returns one of 64 bits, 0 if it succeeded.
class Call {
 public:
  Call(Symbol function, const std::vector<Argument> &arguments)
      : function_(function.number()), arguments_(arguments.begin(), arguments.end()) {}

  /// It is valid as long as this is.
  uruk_graph_call plain() const { return {function_, static_cast<std::uint32_t>(arguments_.size()), arguments_.data()}; }

 private:
  std::uint32_t function_;
  std::vector<uruk_graph_argument> arguments_;
};

/// The graph of an object.
class Graph {
 public:
  explicit Graph(uruk_graph *handle) : handle_(handle) {}

  uruk_graph *handle() const { return handle_; }

  /// What messages call its object.
  std::string object() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_graph_object(handle_, buffer, size); });
  }

  Result<uruk_graph_counts> count() const {
    uruk_graph_counts counts{};
    return detail::checked(uruk_graph_count(handle_, &counts), counts);
  }

  Result<detail::Numbered<Section, uruk_graph *>> sections() const { return numbered<Section>(0, &uruk_graph_counts::sections); }

  /// Its blocks, dropped ones among them.
  Result<detail::Numbered<Block, uruk_graph *>> blocks() const { return numbered<Block>(0, &uruk_graph_counts::blocks); }

  Result<detail::Numbered<Symbol, uruk_graph *>> symbols() const { return numbered<Symbol>(1, &uruk_graph_counts::symbols); }

  /// The section, block or symbol of a number that is known from before.
  Section section(std::uint32_t number) const { return Section(handle_, number); }
  Block block(std::uint32_t number) const { return Block(handle_, number); }
  Symbol symbol(std::uint32_t number) const { return Symbol(handle_, number); }

  /// The symbol of a name: one that other objects see, or else the first local one.
  Result<Symbol> find(Text name) const {
    std::uint32_t symbol = 0;
    return detail::part<Symbol>(uruk_graph_find_symbol(handle_, name, &symbol), handle_, symbol);
  }

  /// The symbol of a name that other objects see, added as one that is defined elsewhere if there is none.
  Result<Symbol> external(Text name) const {
    std::uint32_t symbol = 0;
    return detail::part<Symbol>(uruk_graph_external(handle_, name, &symbol), handle_, symbol);
  }

  /// Adds a section of a kind (`URUK_SECTION_…`).
  Result<Section> add_section(Text name, std::uint32_t kind) const {
    std::uint32_t section = 0;
    return detail::part<Section>(uruk_graph_add_section(handle_, name, kind, &section), handle_, section);
  }

  /// Adds a symbol. Such as other objects see are added by `pre_prune` only; the name may be null for local ones.
  Result<Symbol> add_symbol(Text name, const uruk_graph_symbol &description) const {
    std::uint32_t symbol = 0;
    return detail::part<Symbol>(uruk_graph_add_symbol(handle_, name, &description, &symbol), handle_, symbol);
  }

  /// Adds a symbol at an offset of a block. `binding` is `URUK_BINDING_…`, `kind` is `URUK_TYPE_…`.
  Result<Symbol> add_symbol(Text name, Block block, std::uint64_t offset = 0, std::uint32_t binding = URUK_BINDING_LOCAL,
                            std::uint32_t kind = URUK_TYPE_NONE, std::uint64_t size = 0) const {
    uruk_graph_symbol description{};
    description.definition = URUK_SYMBOL_IN_BLOCK;
    description.block = block.number();
    description.value = offset;
    description.binding = binding;
    description.kind = kind;
    description.size = size;
    return add_symbol(name, description);
  }

  /// Points all edges to one symbol at another, but for those of unwind records, and says how many they were.
  Result<std::size_t> redirect(Symbol from, Symbol to) const {
    std::size_t count = 0;
    return detail::checked(uruk_graph_redirect(handle_, from.number(), to.number(), &count), count);
  }

  /// Adds calls: one for when the object's memory is final, one for when it goes. Either may be null.
  Result<void> add_action(const Call *finalize, const Call *deallocate) const {
    uruk_graph_call first{}, last{};
    if (finalize) first = finalize->plain();
    if (deallocate) last = deallocate->plain();
    return detail::checked(uruk_graph_add_action(handle_, finalize ? &first : nullptr, deallocate ? &last : nullptr));
  }

 private:
  template <class T>
  Result<detail::Numbered<T, uruk_graph *>> numbered(std::uint32_t first, std::uint32_t uruk_graph_counts::*end) const {
    Result<uruk_graph_counts> counts = count();
    if (!counts) return counts.error();
    return detail::Numbered<T, uruk_graph *>(handle_, first, (*counts).*end);
  }

  uruk_graph *handle_;
};

/// A graph that stays, to be looked at.
class RetainedGraph : public detail::Owner<uruk_graph, uruk_graph_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  Graph graph() const { return Graph(handle()); }
};

inline Result<std::vector<RetainedGraph>> Dylib::retained_graphs() const {
  std::vector<RetainedGraph> graphs;
  std::vector<uruk_graph *> handles;
  std::size_t count = 0;
  do {
    // Those of the last time go; something was linked meanwhile.
    graphs.clear();
    handles.assign(count, nullptr);
    if (uruk_dylib_retained_graphs(handle_, handles.data(), handles.size(), &count) != URUK_OK) return Error::last();
    for (uruk_graph *handle : handles) graphs.emplace_back(handle);
  } while (handles.size() < count);
  // Something may have gone, too.
  graphs.erase(graphs.begin() + static_cast<std::ptrdiff_t>(count), graphs.end());
  return graphs;
}

}  // namespace uruk

#endif  // URUK_GRAPH_HPP
