/* Dylibs: parts of a program, what is added to them, and what is found there. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_DYLIB_HPP
#define URUK_DYLIB_HPP

#include "base.hpp"

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace uruk {

/// Things of a dylib that are removed together. To let one go leaves what it has where it is.
class Tracker : public detail::Owner<uruk_tracker, uruk_tracker_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Removes what was added with it.
  Result<void> remove() { return detail::checked(uruk_tracker_remove(handle())); }

  /// Moves all that it has to another one of the same dylib.
  Result<void> transfer(const Tracker &to) { return detail::checked(uruk_tracker_transfer(handle(), to.handle())); }
};

/// Keeps a function or a variable, and all that it refers to, from going when it is removed. The memory of its JIT stays until then.
class Pin : public detail::Owner<uruk_pin, uruk_pin_dispose> {
 public:
  /// Takes a handle over, of what is at this address.
  Pin(uruk_pin *handle, std::uint64_t address) : Owner(handle), address_(address) {}

  std::uint64_t address() const { return address_; }

 private:
  std::uint64_t address_;
};

class Generator;
class LaterGenerator;
class Redirectable;
class Responsibility;
class RetainedGraph;
class SearchEntry;
class Suspended;
class Unit;
class Wanted;

/// A part of a program with a name space of its own. It is its JIT's, and this only says which.
class Dylib {
 public:
  explicit Dylib(uruk_dylib *handle) : handle_(handle) {}

  uruk_dylib *handle() const { return handle_; }

  std::string name() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_dylib_name(handle_, buffer, size); });
  }

  /// A tracker, to be given to whatever adds something here.
  Result<Tracker> track() const {
    uruk_tracker *tracker = nullptr;
    if (uruk_tracker_create(handle_, &tracker) != URUK_OK) return Error::last();
    return Tracker(tracker);
  }

  /// Adds an object from memory, of any format; it is copied. `name` is what messages have.
  Result<void> add_object(Bytes bytes, Text name = nullptr, const Tracker *tracker = nullptr) const {
    return detail::checked(uruk_dylib_add_object(handle_, of(tracker), name, bytes.data(), bytes.size()));
  }

  /// Adds objects from files as one static link would take them.
  Result<void> add_object_files(const Texts &paths, const Tracker *tracker = nullptr) const {
    return detail::checked(uruk_dylib_add_object_files(handle_, of(tracker), paths.data(), paths.size()));
  }

  /// Adds an object or an archive from a file. Members of an archive are linked when something refers to them.
  Result<void> add_file(Text path) const { return detail::checked(uruk_dylib_add_file(handle_, path)); }

  /// Adds an archive from memory, whose members are linked when something refers to them; it is copied.
  Result<void> add_archive(Bytes bytes, Text name = nullptr) const {
    return detail::checked(uruk_dylib_add_archive(handle_, name, bytes.data(), bytes.size()));
  }

  /// Adds all members of an archive in a file.
  Result<void> add_whole_archive(Text path) const { return detail::checked(uruk_dylib_add_whole_archive(handle_, path)); }

  /// Adds a source file, which is compiled when something is missing that it may define.
  Result<void> add_source_file(Text path) const { return detail::checked(uruk_dylib_add_source_file(handle_, path)); }

  /// Adds the text of a source, which is compiled at once. `language` is the ending that files in it have.
  Result<void> add_source(Text language, Text text, Text name = nullptr, const Tracker *tracker = nullptr) const {
    return detail::checked(uruk_dylib_add_source(handle_, of(tracker), language, name, text));
  }

  /// Adds LLVM IR, text or bitcode, which LLVM's plugin compiles.
  Result<void> add_ir(Bytes bytes, Text name = nullptr, const Tracker *tracker = nullptr) const {
    return detail::checked(uruk_dylib_add_ir(handle_, of(tracker), name, bytes.data(), bytes.size()));
  }

  /// Adds functions in Cranelift's language.
  Result<void> add_clif(Text text, Text name = nullptr, const Tracker *tracker = nullptr) const {
    return detail::checked(uruk_dylib_add_clif(handle_, of(tracker), name, text));
  }

  /// Loads a shared library, by path or soname, for this dylib only.
  Result<void> add_library(Text path_or_soname) const { return detail::checked(uruk_dylib_add_library(handle_, path_or_soname)); }

  /// Defines a name at an address of the process where code runs.
  Result<void> define(Text name, std::uint64_t address) const { return define({{name, address}}); }

  /// Defines a name as a function or a variable of this process.
  template <class T>
  Result<void> define(Text name, T *target) const {
    return define({{name, target}});
  }

  /// Defines names, all or none.
  Result<void> define(const std::vector<SymbolAddress> &symbols) const {
    std::vector<uruk_symbol> plain(symbols.begin(), symbols.end());
    return detail::checked(uruk_dylib_define(handle_, plain.data(), plain.size()));
  }

  /// Defines functions with the addresses of their first bodies, that can be led elsewhere.
  Result<Redirectable> define_redirectable(const std::vector<SymbolAddress> &functions, const Tracker *tracker = nullptr) const;

  /// Defines what a unit promises, which is made when somebody asks for one of its names.
  Result<void> define_unit(std::unique_ptr<Unit> unit, const std::vector<uruk_definition> &definitions,
                           const Tracker *tracker = nullptr) const;

  /// The same of what can be called with a `Responsibility`.
  template <class Make, class = std::enable_if_t<std::is_invocable_v<Make &, Responsibility>>>
  Result<void> define_unit(Make make, const std::vector<uruk_definition> &definitions, const Tracker *tracker = nullptr) const;

  /// Lets a generator be asked for what the dylib lacks, behind those that were added before: archives and libraries are such, too.
  Result<void> add_generator(std::unique_ptr<Generator> generator) const;

  /// The same of one that takes its time.
  Result<void> add_generator(std::unique_ptr<LaterGenerator> generator) const;

  /// The same of what can be called with a `Wanted` and returns a `Result<void>`, or with a `Wanted` and a `Suspended`.
  template <class Generate, class = std::enable_if_t<std::is_invocable_v<Generate &, const Wanted &> ||
                                                     std::is_invocable_v<Generate &, const Wanted &, Suspended>>>
  Result<void> add_generator(Generate generate) const;

  /// Lets the dylib find what the process where code runs exports, if its search order has no other way there.
  Result<void> add_process() const { return detail::checked(uruk_dylib_add_process(handle_)); }

  /// Removes all generators: archives, libraries and one's own. What they have defined stays.
  Result<void> remove_generators() const { return detail::checked(uruk_dylib_remove_generators(handle_)); }

  /// Defines another name for a symbol that the dylib finds.
  Result<void> alias(Text name, Text target) const { return detail::checked(uruk_dylib_alias(handle_, name, target)); }

  /// Defines functions of another dylib of the same JIT, linked when they are called first.
  Result<void> lazy_reexport(Dylib source, const Texts &names) const {
    return detail::checked(uruk_dylib_lazy_reexport(handle_, source.handle_, names.data(), names.size()));
  }

  /// Lets the dylib find what it needs in others, before the process and in this order.
  Result<void> link_against(const std::vector<Dylib> &others) const {
    std::vector<uruk_dylib *> handles;
    for (const Dylib &other : others) handles.push_back(other.handle_);
    return detail::checked(uruk_dylib_link_against(handle_, handles.data(), handles.size()));
  }

  /// Sets where the dylib looks, in this order and nowhere else.
  Result<void> set_search_order(const std::vector<SearchEntry> &entries) const;

  /// The address of a symbol, linked, initialised and ready to be used.
  Result<std::uint64_t> lookup(Text name) const {
    std::uint64_t address = 0;
    return detail::checked(uruk_lookup(handle_, name, &address), address);
  }

  /// The addresses of several symbols, linked together. `flags` are `URUK_LOOKUP_…`, joined by `|`.
  Result<std::vector<std::uint64_t>> lookup_all(const Texts &names, std::uint32_t flags = 0) const {
    std::vector<std::uint64_t> addresses(names.size());
    return detail::checked(uruk_lookup_all(handle_, names.data(), names.size(), flags, addresses.data()), addresses);
  }

  /// Starts a look-up like that of `lookup_all`, and does not wait for it: `callback` is called with a
  /// `Result<std::vector<std::uint64_t>>`, once, on whatever thread knows first, perhaps before this returns; if this fails, it is not.
  template <class Callback>
  Result<void> lookup_start(const Texts &names, Callback callback, std::uint32_t flags = 0) const {
    auto context = std::make_unique<Callback>(std::move(callback));
    Callback *plain = context.get();
    return detail::give(std::move(context), uruk_lookup_start(handle_, names.data(), names.size(), flags, found<Callback>, plain));
  }

  /// Looks a symbol up, and keeps it.
  Result<Pin> pin(Text name) const {
    std::uint64_t address = 0;
    uruk_pin *pin = nullptr;
    if (uruk_pin_create(handle_, name, &address, &pin) != URUK_OK) return Error::last();
    return Pin(pin, address);
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

  /// Links everything that was added, and runs the initialisers that have not run.
  Result<void> initialize() const { return detail::checked(uruk_dylib_initialize(handle_)); }

  /// Links, initialises and calls a function with the arguments of `main`, wherever code runs: `main` itself, unless one is named.
  Result<std::int32_t> run(Text entry = nullptr) const {
    std::int32_t status = 0;
    return detail::checked(uruk_dylib_run(handle_, entry, &status), status);
  }

  /// Links, initialises and calls a function, wherever code runs, with at most six integers or addresses.
  Result<std::uint64_t> call(Text name, std::initializer_list<std::uint64_t> arguments = {}) const {
    std::uint64_t result = 0;
    return detail::checked(uruk_dylib_call(handle_, name, arguments.begin(), arguments.size(), &result), result);
  }

  /// The graphs of its linked objects, if its JIT retains them, as `post_prune` of plugins has left them and with addresses.
  Result<std::vector<RetainedGraph>> retained_graphs() const;

  /// Removes everything that was defined here; the dylib stays.
  Result<void> clear() const { return detail::checked(uruk_dylib_clear(handle_)); }

  /// Removes the dylib, with everything in it.
  Result<void> remove() const { return detail::checked(uruk_dylib_remove(handle_)); }

 private:
  static uruk_tracker *of(const Tracker *tracker) { return tracker ? tracker->handle() : nullptr; }

  template <class Callback>
  static void found(void *context, uruk_status status, const char *message, const std::uint64_t *addresses, std::size_t count) noexcept {
    std::unique_ptr<Callback> callback(static_cast<Callback *>(context));
    (*callback)(detail::found(status, message, addresses, count));
  }

  template <class T>
  Result<T *> pointer(Text name) const {
    Result<std::uint64_t> address = lookup(name);
    if (!address) return address.error();
    return reinterpret_cast<T *>(static_cast<std::uintptr_t>(*address));
  }

  uruk_dylib *handle_;
};

/// Where a dylib looks: another one, and whether what that hides is found, too.
class SearchEntry {
 public:
  SearchEntry(Dylib dylib, bool all_symbols = false) : dylib(dylib), all_symbols(all_symbols) {}

  Dylib dylib;
  bool all_symbols;
};

inline Result<void> Dylib::set_search_order(const std::vector<SearchEntry> &entries) const {
  std::vector<uruk_search_entry> plain;
  for (const SearchEntry &entry : entries) plain.push_back({entry.dylib.handle(), entry.all_symbols, 0});
  return detail::checked(uruk_dylib_set_search_order(handle_, plain.data(), plain.size()));
}

}  // namespace uruk

#endif  // URUK_DYLIB_HPP
