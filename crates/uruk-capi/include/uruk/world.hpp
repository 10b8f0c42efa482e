/* Worlds: what a program says of its memory, for images. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_WORLD_HPP
#define URUK_WORLD_HPP

#include "base.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace uruk {

/// A pointer at an offset, in bytes: `URUK_POINTER_…`.
inline uruk_pointer_field pointer(std::uint64_t offset, std::uint32_t kind) { return {offset, kind, 0, 0}; }

/// A pointer whose lowest bits say whether it is a reference: bit `n` of `references` is set if it is with the tag `n`.
inline uruk_pointer_field tagged_pointer(std::uint64_t offset, std::uint32_t bits, std::uint64_t references) {
  return {offset, URUK_POINTER_TAGGED, bits, references};
}

/// What objects of a type look like: see `uruk_object_type`.
struct ObjectType {
  std::string name;
  /// Bytes of the fixed part.
  std::uint64_t size = 0;
  std::uint64_t alignment = 8;
  std::vector<uruk_pointer_field> fields = {};
  /// `URUK_OBJECT_TYPE_…`, joined by `|`.
  std::uint32_t flags = 0;
  /// Of objects with a variable part: bytes of the number that says how many elements it has, and where that is.
  std::uint32_t count_width = 0;
  std::uint64_t count_offset = 0;
  /// Bytes from one element to the next.
  std::uint64_t stride = 0;
  std::vector<uruk_pointer_field> element_fields = {};
};

/// What there is to say of a symbol beside its name.
struct EntryOptions {
  /// Bytes behind the symbol.
  std::int64_t addend = 0;
  /// The symbol's version; empty: the one that is the default.
  std::string version = {};
  /// The pointer is null where nobody defines the symbol.
  bool is_weak = false;
};

/// What a raw pointer is to point to in an image.
struct Entry {
  /// Where the pointer is.
  std::uint64_t field;
  /// The symbol, if it is one, and what there is to say of it.
  std::optional<std::string> symbol;
  EntryOptions options;
  /// The place of the world, if it is one.
  std::uint64_t target;
};

/// How much a root keeps that no root before it does.
struct Share {
  std::string root;
  std::uint64_t places, bytes;
};

/// A word that would be wrong in an image.
struct Finding {
  /// The way from a root, with the offset of the word.
  std::string path;
  /// What is mapped where the word points.
  std::string mapping;
  std::uint64_t value;
};

/// An address with a name: a raw pointer and its symbol, or a place and what others call it.
using Named = std::pair<std::uint64_t, std::string>;

/// Who knows objects that were not added to a world. In it only functions may be called of which the header says so.
class Heap {
 public:
  virtual ~Heap() = default;

  /// The type of the object that has an address, or ends there, with its beginning in `start`; 0 if there is none.
  virtual uruk_type_id object_at(std::uint64_t address, std::uint64_t &start) noexcept = 0;

  Heap(const Heap &) = delete;
  Heap &operator=(const Heap &) = delete;

 protected:
  Heap() = default;
};

namespace detail {

/// The callbacks of the library, whose context is a `Heap`.
struct HeapCallbacks {
  static uruk_type_id object_at(void *context, std::uint64_t address, std::uint64_t *start) noexcept {
    return static_cast<Heap *>(context)->object_at(address, *start);
  }

  static Result<uruk_heap_callbacks> table(Heap &heap) {
    uruk_heap_callbacks table;
    if (uruk_heap_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = &heap;
    table.object_at = object_at;
    return table;
  }
};

/// The addresses and the texts of pairs, each in an array of its own.
struct Columns {
  explicit Columns(const std::vector<Named> &pairs) {
    for (const auto &[address, text] : pairs) {
      addresses.push_back(address);
      texts.push_back(text.c_str());
    }
  }

  std::vector<std::uint64_t> addresses;
  std::vector<const char *> texts;
};

}  // namespace detail

/// Everything that roots of a world lead to, with its bytes as they were when it was found.
class Closure : public detail::Owner<uruk_closure, uruk_closure_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// How many objects and cells there are, and how many bytes they have.
  Result<std::pair<std::uint64_t, std::uint64_t>> size() const {
    std::pair<std::uint64_t, std::uint64_t> size;
    return detail::checked(uruk_closure_size(handle(), &size.first, &size.second), size);
  }

  /// How much each root keeps that no root before it does.
  Result<std::vector<Share>> shares() const {
    std::vector<Share> all;
    auto each = [](void *context, const uruk_share *share) noexcept {
      static_cast<std::vector<Share> *>(context)->push_back({share->root, share->places, share->bytes});
    };
    return detail::checked(uruk_closure_shares(handle(), &all, each), all);
  }

  /// The words that are no described pointers, and point into something that this process has mapped.
  Result<std::vector<Finding>> findings() const {
    std::vector<Finding> all;
    auto each = [](void *context, const uruk_finding *finding) noexcept {
      static_cast<std::vector<Finding> *>(context)->push_back({finding->path, finding->mapping, finding->value});
    };
    return detail::checked(uruk_closure_findings(handle(), &all, each), all);
  }

  /// The way from a root to an address of the program; empty for an address of nothing that is kept.
  std::string path(std::uint64_t address) const {
    return detail::text([&](char *buffer, std::size_t size) { return uruk_closure_path(handle(), address, buffer, size); });
  }

  /// Pointers that have entries and are of nothing that is kept.
  Result<std::vector<std::uint64_t>> unused_entries() const {
    std::size_t count = 0;
    if (uruk_closure_unused_entries(handle(), nullptr, 0, &count) != URUK_OK) return Error::last();
    std::vector<std::uint64_t> fields(count);
    return detail::checked(uruk_closure_unused_entries(handle(), fields.data(), count, &count), fields);
  }
};

/// What a program says of its memory. Whatever is said changes nothing in the running program.
class World : public detail::Owner<uruk_world, uruk_world_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  static Result<World> make() {
    uruk_world *world = nullptr;
    if (uruk_world_create(&world) != URUK_OK) return Error::last();
    return World(world);
  }

  /// Adds a type.
  Result<uruk_type_id> add_type(const ObjectType &wanted) const {
    uruk_object_type type;
    if (uruk_object_type_init(&type, sizeof type) != URUK_OK) return Error::last();
    type.name = wanted.name.c_str();
    type.size = wanted.size;
    type.alignment = wanted.alignment;
    type.fields = wanted.fields.data();
    type.field_count = wanted.fields.size();
    type.flags = wanted.flags;
    type.count_width = wanted.count_width;
    type.count_offset = wanted.count_offset;
    type.stride = wanted.stride;
    type.element_fields = wanted.element_fields.data();
    type.element_field_count = wanted.element_fields.size();
    uruk_type_id id = 0;
    return detail::checked(uruk_world_add_type(handle(), &type, &id), id);
  }

  /// Adds an object of the heap.
  Result<void> add_object(std::uint64_t address, uruk_type_id type) const { return add_objects({{address, type, 0}}); }

  /// Adds objects of the heap: all of them, or none.
  Result<void> add_objects(const std::vector<uruk_object> &objects) const {
    return detail::checked(uruk_world_add_objects(handle(), objects.data(), objects.size()));
  }

  /// Adds a global cell, which is a root, and a symbol of the image, under its name.
  Result<void> add_cell(Text name, std::uint64_t address, uruk_type_id type) const {
    return detail::checked(uruk_world_add_cell(handle(), name, address, type));
  }

  /// Forgets an object, with its entries.
  Result<void> remove_object(std::uint64_t address) const { return detail::checked(uruk_world_remove_object(handle(), address)); }

  /// Follows objects that a collection has moved, all at once.
  Result<void> objects_moved(const std::vector<uruk_move> &moves) const {
    return detail::checked(uruk_world_objects_moved(handle(), moves.data(), moves.size()));
  }

  /// Gives a place a name under which other code, or another image, can link to it.
  Result<void> add_export(Text name, std::uint64_t address) const { return detail::checked(uruk_world_export(handle(), name, address)); }

  /// Says which symbol the raw pointer at an address is to point to in an image.
  Result<void> add_pointer(std::uint64_t field, Text symbol, const EntryOptions &wanted = {}) const {
    Result<uruk_entry_options> options = plain(wanted);
    if (!options) return options.error();
    return detail::checked(uruk_world_add_pointer(handle(), field, symbol, &*options));
  }

  /// The same of many pointers: all, or none if one of them is wrong.
  Result<void> add_pointers(const std::vector<Named> &pointers, const EntryOptions &wanted = {}) const {
    Result<uruk_entry_options> options = plain(wanted);
    if (!options) return options.error();
    const detail::Columns columns(pointers);
    return detail::checked(
        uruk_world_add_pointers(handle(), columns.addresses.data(), columns.texts.data(), pointers.size(), &*options));
  }

  /// Says that the raw pointer at an address is to point to this place of the world.
  Result<void> add_own_pointer(std::uint64_t field, std::uint64_t target) const {
    return detail::checked(uruk_world_add_own_pointer(handle(), field, target));
  }

  /// Both lists of an image: places with the names under which others link to them, and raw pointers with their symbols. All of it is
  /// put in, or nothing.
  Result<void> add_named(const std::vector<Named> &symbols, const std::vector<Named> &pointers) const {
    const detail::Columns exports(symbols), relocations(pointers);
    return detail::checked(uruk_world_add_named(handle(), exports.addresses.data(), exports.texts.data(), symbols.size(),
                                                relocations.addresses.data(), relocations.texts.data(), pointers.size()));
  }

  /// Takes an entry back.
  Result<void> remove_pointer(std::uint64_t field) const { return detail::checked(uruk_world_remove_pointer(handle(), field)); }

  /// All entries, in order of their pointers' addresses.
  Result<std::vector<Entry>> pointers() const {
    std::vector<Entry> all;
    auto each = [](void *context, const uruk_pointer_entry *entry) noexcept {
      EntryOptions options{entry->addend, entry->version ? entry->version : "", (entry->flags & URUK_ENTRY_WEAK) != 0};
      std::optional<std::string> symbol = entry->symbol ? std::optional<std::string>(entry->symbol) : std::nullopt;
      static_cast<std::vector<Entry> *>(context)->push_back({entry->field, std::move(symbol), std::move(options), entry->target});
    };
    return detail::checked(uruk_world_pointers(handle(), &all, each), all);
  }

  /// Finds everything that cells of these names lead to.
  Result<Closure> trace(const Texts &roots) const { return trace(roots, nullptr); }

  /// The same, with who knows objects that were not added.
  Result<Closure> trace(const Texts &roots, Heap &heap) const {
    Result<uruk_heap_callbacks> table = detail::HeapCallbacks::table(heap);
    if (!table) return table.error();
    return trace(roots, &*table);
  }

 private:
  Result<Closure> trace(const Texts &roots, const uruk_heap_callbacks *heap) const {
    uruk_closure *closure = nullptr;
    if (uruk_world_trace(handle(), roots.data(), roots.size(), heap, &closure) != URUK_OK) return Error::last();
    return Closure(closure);
  }

  static Result<uruk_entry_options> plain(const EntryOptions &wanted) {
    uruk_entry_options options;
    if (uruk_entry_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    options.addend = wanted.addend;
    options.version = wanted.version.empty() ? nullptr : wanted.version.c_str();
    options.flags = wanted.is_weak ? URUK_ENTRY_WEAK : 0;
    return options;
  }
};

}  // namespace uruk

#endif  // URUK_WORLD_HPP
