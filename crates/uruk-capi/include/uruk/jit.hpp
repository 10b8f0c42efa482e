/* JITs: programs that are put together and run. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_JIT_HPP
#define URUK_JIT_HPP

#include "dylib.hpp"
#include "cache.hpp"
#include "dispatcher.hpp"
#include "executor.hpp"
#include "listener.hpp"
#include "memory.hpp"
#include "plugin.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace uruk {

/// How a JIT is set up: see `uruk_options`.
struct Options {
  /// `URUK_JIT_…`, joined by `|`.
  std::uint32_t flags = 0;
  /// How many threads link large inputs; 0: as many as there are processors.
  std::uint32_t link_threads = 0;
  /// How many threads of the JIT's own compile; 0: the one that looks symbols up.
  std::uint32_t compile_threads = 0;
  /// Where calls go whose function cannot be made; 0: a message, and the end of the process.
  std::uint64_t lazy_failure = 0;
  /// Who gives memory; null: the library.
  const MemoryManager *memory = nullptr;
  /// Where tasks run; null: as `compile_threads` says.
  std::shared_ptr<Dispatcher> dispatcher;
  /// Where what compilers make is kept; null: nowhere.
  const Cache *cache = nullptr;
  /// Where code runs; null: in this process.
  const Executor *executor = nullptr;
  /// How much compilers optimise: `URUK_OPTIMIZE_…`; 0: what each does by itself.
  std::uint32_t optimize = 0;
  /// What compilers of sources are told beside that, as on a command line.
  std::vector<std::string> compiler_flags = {};
};

/// The names of a JIT, which are plain numbers: `uruk_name`. This only says of which JIT.
class Names {
 public:
  explicit Names(uruk_jit *jit) : jit_(jit) {}

  /// The name of a text, as C has it.
  Result<uruk_name> intern(Text text) const {
    uruk_name name = 0;
    return detail::checked(uruk_name_intern(jit_, text, &name), name);
  }

  /// The text of a name; empty for what is no name.
  std::string text(uruk_name name) const {
    return detail::text([&](char *buffer, std::size_t size) { return uruk_name_text(jit_, name, buffer, size); });
  }

 private:
  uruk_jit *jit_;
};

/// A program that is put together and run. None of its code may run when it goes.
class Jit : public detail::Owner<uruk_jit, uruk_jit_destroy> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  static Result<Jit> make(const Options &wanted = {}) {
    uruk_options options;
    if (uruk_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    options.flags = wanted.flags;
    options.link_threads = wanted.link_threads;
    options.compile_threads = wanted.compile_threads;
    options.lazy_failure = wanted.lazy_failure;
    options.memory_manager = wanted.memory ? wanted.memory->handle() : nullptr;
    options.cache = wanted.cache ? wanted.cache->handle() : nullptr;
    options.executor = wanted.executor ? wanted.executor->handle() : nullptr;
    options.optimize = wanted.optimize;
    const Texts flags(wanted.compiler_flags);
    options.compiler_flags = flags.data();
    options.compiler_flag_count = static_cast<std::uint32_t>(flags.size());
    if (!wanted.dispatcher) return create(options);
    auto dispatcher = std::make_unique<std::shared_ptr<Dispatcher>>(wanted.dispatcher);
    Result<uruk_dispatcher_callbacks> table = detail::DispatcherCallbacks::table(dispatcher.get());
    if (!table) return table.error();
    options.dispatcher = &*table;
    Result<Jit> jit = create(options);
    if (jit) (void)dispatcher.release();
    return jit;
  }

  /// The dylib that every JIT has. Of a JIT that was moved from, one of which all functions say that it is NULL.
  Dylib main() const {
    uruk_dylib *dylib = nullptr;
    uruk_jit_main(handle(), &dylib);
    return Dylib(dylib);
  }

  /// Makes another dylib, which finds what it needs in itself, in those that it is linked against, and in the process.
  Result<Dylib> create_dylib(Text name) const {
    uruk_dylib *dylib = nullptr;
    if (uruk_jit_create_dylib(handle(), name, &dylib) != URUK_OK) return Error::last();
    return Dylib(dylib);
  }

  /// The dylib of a name, if there is one.
  Result<std::optional<Dylib>> find_dylib(Text name) const {
    uruk_dylib *dylib = nullptr;
    if (uruk_jit_find_dylib(handle(), name, &dylib) != URUK_OK) return Error::last();
    return dylib ? std::optional<Dylib>(dylib) : std::nullopt;
  }

  /// Loads a shared library, by path or soname, whose symbols every dylib then sees.
  Result<void> load_library(Text path_or_soname) const { return detail::checked(uruk_jit_load_library(handle(), path_or_soname)); }

  /// The arguments that initialisers and `main` get from now on, the program's name first.
  Result<void> set_arguments(const Texts &arguments) const {
    return detail::checked(uruk_jit_set_arguments(handle(), arguments.data(), arguments.size()));
  }

  /// What linked code and data take, as the memory manager counts it.
  Result<uruk_memory_statistics> memory_statistics() const {
    uruk_memory_statistics statistics{};
    return detail::checked(uruk_jit_memory_statistics(handle(), &statistics), statistics);
  }

  /// Waits until everything that was removed is gone.
  Result<void> quiesce() const { return detail::checked(uruk_jit_quiesce(handle())); }

  /// Loads these shared libraries, by soname and in order, as long as something is missing that they may define.
  Result<void> load_libraries_on_demand(const Texts &sonames) const {
    return detail::checked(uruk_jit_load_libraries_on_demand(handle(), sonames.data(), sonames.size()));
  }

  /// Lets a plugin take part in all links from now on, after those that were added before.
  Result<void> add_plugin(std::unique_ptr<Plugin> plugin) const { return detail::PluginCallbacks::add(handle(), std::move(plugin)); }

  /// Tells a listener of all that is linked from now on.
  Result<void> add_listener(std::unique_ptr<Listener> listener) const {
    return detail::ListenerCallbacks::add(handle(), std::move(listener));
  }

  /// Its names, for units and generators.
  Names names() const { return Names(handle()); }

  /// The next of the failures that belong to no call, if there is one.
  Result<std::optional<Error>> take_report() const {
    uruk_error *report = nullptr;
    if (uruk_jit_take_report(handle(), &report) != URUK_OK) return Error::last();
    if (report == nullptr) return std::optional<Error>();
    return std::optional<Error>(Error::take(report));
  }

 private:
  static Result<Jit> create(const uruk_options &options) {
    uruk_jit *jit = nullptr;
    if (uruk_jit_create(&options, &jit) != URUK_OK) return Error::last();
    return Jit(jit);
  }
};

}  // namespace uruk

#endif  // URUK_JIT_HPP
