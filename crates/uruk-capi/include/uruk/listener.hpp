/* Listeners, which are told what was linked and what goes. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_LISTENER_HPP
#define URUK_LISTENER_HPP

#include "base.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace uruk {

/// An object that has been linked: see `uruk_loaded`. It is valid during the call.
class Loaded {
 public:
  explicit Loaded(const uruk_loaded &loaded) : loaded_(loaded) {}

  const uruk_loaded *operator->() const { return &loaded_; }

  /// Its functions and variables, local ones among them, but not thread-local ones.
  detail::Stepped<uruk_loaded_symbol> symbols() const { return {loaded_.symbols, loaded_.symbol_count, loaded_.symbol_size}; }

  /// An ELF image with its symbols and, as far as it has them, its lines and types as DWARF: what debuggers are given.
  Result<Bytes> debug_image() const {
    const std::uint8_t *bytes = nullptr;
    std::size_t size = 0;
    if (uruk_loaded_debug_image(loaded_.image, &bytes, &size) != URUK_OK) return Error::last();
    return Bytes(bytes, size);
  }

 private:
  const uruk_loaded &loaded_;
};

/// A listener of one's own, for `Jit::add_listener`. Several threads may call it at once; in it only functions may be called of which the
/// header says so.
class Listener {
 public:
  virtual ~Listener() = default;

  /// An object is linked: its bytes are at their addresses, and nobody has been given a symbol of it yet.
  virtual void loaded(const Loaded &object) noexcept { (void)object; }

  /// It goes, the one of this number: its memory is still there. Told once for each `loaded`, by the time that the JIT is gone.
  virtual void freed(std::uint64_t id) noexcept { (void)id; }

  Listener(const Listener &) = delete;
  Listener &operator=(const Listener &) = delete;

 protected:
  Listener() = default;
};

namespace detail {

/// The callbacks of the library, whose context is a `Listener`.
struct ListenerCallbacks {
  static void loaded(void *context, const uruk_loaded *object) noexcept { static_cast<Listener *>(context)->loaded(Loaded(*object)); }

  static void freed(void *context, std::uint64_t id) noexcept { static_cast<Listener *>(context)->freed(id); }

  static Result<void> add(uruk_jit *jit, std::unique_ptr<Listener> listener) {
    uruk_listener_callbacks table;
    if (uruk_listener_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = listener.get();
    table.loaded = loaded;
    table.freed = freed;
    table.destroy = destroy<Listener>;
    return give(std::move(listener), uruk_jit_add_listener(jit, &table));
  }
};

}  // namespace detail

}  // namespace uruk

#endif  // URUK_LISTENER_HPP
