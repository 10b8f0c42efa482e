/* Images that are mapped into this process. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_MAPPED_HPP
#define URUK_MAPPED_HPP

#include "dylib.hpp"
#include "world.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace uruk {

class Mapped;

/// What an image is loaded with: see `uruk_load_options`.
struct LoadOptions {
  /// The arguments that its initialisers and its `main` get, the program's name first.
  std::vector<std::string> arguments = {};
  /// What it has to be stamped with; nothing: anything.
  std::optional<std::string> stamp = {};
  /// The world whose types have to be laid out as those of the image; null: nobody looks.
  const World *world = nullptr;
  /// The image that it builds on; null: none.
  const Mapped *base = nullptr;
  /// `URUK_LOAD_INTERPOSE`, or 0.
  std::uint32_t flags = 0;
};

/// A symbol of a loaded image.
struct MappedSymbol {
  std::string name;
  std::uint64_t address, size;
  /// `URUK_TYPE_…`.
  std::uint32_t kind;
};

/// An image that this process has mapped. It stays as long as this does, or another one that builds on it.
class Mapped : public detail::Owner<uruk_mapped, uruk_mapped_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Loads an image from a file that nobody is to write to, and runs its initialisers.
  static Result<Mapped> load(Text path, const LoadOptions &wanted = {}) { return load(path, wanted, nullptr, nullptr); }

  /// The same with what is called with the names of symbols that the image does not define, before the process is asked for them: it
  /// returns an address, or 0.
  template <class Find>
  static Result<Mapped> load(Text path, const LoadOptions &wanted, Find find) {
    auto ask = [](void *context, const char *name) noexcept -> std::uint64_t { return (*static_cast<Find *>(context))(name); };
    return load(path, wanted, &find, ask);
  }

  /// The address of what it defines under a name.
  Result<std::uint64_t> address(Text name) const {
    std::uint64_t address = 0;
    return detail::checked(uruk_mapped_address(handle(), name, &address), address);
  }

  /// A function of this type, as `function<int(int)>("f")`. Nobody checks that it is of this type.
  template <class F>
  Result<F *> function(Text name) const {
    static_assert(std::is_function_v<F>, "a type of a function is wanted, as int(int)");
    return pointer<F>(name);
  }

  /// A variable of this type. Nobody checks that it is of this type.
  template <class T>
  Result<T *> variable(Text name) const {
    static_assert(std::is_object_v<T>, "a type of a variable is wanted");
    return pointer<T>(name);
  }

  /// Where it lies, and how many bytes it has.
  Result<std::pair<std::uint64_t, std::uint64_t>> range() const {
    std::pair<std::uint64_t, std::uint64_t> range;
    return detail::checked(uruk_mapped_range(handle(), &range.first, &range.second), range);
  }

  /// All that it defines for others, but for thread-local variables.
  Result<std::vector<MappedSymbol>> symbols() const {
    std::vector<MappedSymbol> all;
    auto each = [](void *context, const uruk_mapped_symbol *symbol) noexcept {
      static_cast<std::vector<MappedSymbol> *>(context)->push_back({symbol->name, symbol->address, symbol->size, symbol->kind});
    };
    return detail::checked(uruk_mapped_symbols(handle(), &all, each), all);
  }

  /// Defines all of that in a dylib, whose code may run as long as the image is there.
  Result<void> define(const Dylib &dylib) const { return detail::checked(uruk_mapped_define(handle(), dylib.handle())); }

  /// Runs the program that it is, and returns its status.
  Result<std::int32_t> run() const {
    std::int32_t status = 0;
    return detail::checked(uruk_mapped_run(handle(), &status), status);
  }

 private:
  template <class T>
  Result<T *> pointer(Text name) const {
    Result<std::uint64_t> found = address(name);
    if (!found) return found.error();
    return reinterpret_cast<T *>(static_cast<std::uintptr_t>(*found));
  }

  static Result<Mapped> load(Text path, const LoadOptions &wanted, void *context, std::uint64_t (*find)(void *, const char *)) {
    uruk_load_options options;
    if (uruk_load_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    const Texts arguments(wanted.arguments);
    options.flags = wanted.flags;
    options.path = path;
    options.arguments = arguments.data();
    options.argument_count = arguments.size();
    options.stamp = wanted.stamp ? wanted.stamp->c_str() : nullptr;
    options.world = wanted.world ? wanted.world->handle() : nullptr;
    options.base = wanted.base ? wanted.base->handle() : nullptr;
    options.context = context;
    options.find = find;
    uruk_mapped *image = nullptr;
    if (uruk_mapped_load(&options, &image) != URUK_OK) return Error::last();
    return Mapped(image);
  }
};

}  // namespace uruk

#endif  // URUK_MAPPED_HPP
