/* Units of materialization, and the duty to define what they promise. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_UNIT_HPP
#define URUK_UNIT_HPP

#include "dylib.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace uruk {

/// A symbol that a unit needs.
struct Need {
  uruk_name name;
  /// Along whose search order it is found; a dylib of null: the unit's own.
  Dylib dylib = Dylib(nullptr);
};

/// The duty to define what a unit promised, on any thread, until it is settled by `emit`, `link`, `fail` or `look_up`, once. One that is
/// let go before has failed. Nobody who needs the unit gets an answer before.
class Responsibility : public detail::Owner<uruk_responsibility, uruk_responsibility_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// What messages call the unit.
  std::string name() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_responsibility_name(handle(), buffer, size); });
  }

  /// The dylib that the definitions are for.
  Result<Dylib> dylib() const {
    uruk_dylib *dylib = nullptr;
    if (uruk_responsibility_dylib(handle(), &dylib) != URUK_OK) return Error::last();
    return Dylib(dylib);
  }

  /// The names that were promised and that no stronger definition has taken.
  Result<std::vector<uruk_name>> owed() const { return names(uruk_responsibility_owed); }

  /// Those of them that somebody has asked for by now. The others may be given back by `replace`.
  Result<std::vector<uruk_name>> requested() const { return names(uruk_responsibility_requested); }

  /// Says where a definition is. Others can refer to it from now on, and call it once it is emitted.
  Result<void> resolve(uruk_name name, std::uint64_t address) const { return resolve({{name, 0, address}}); }

  /// The same of several.
  Result<void> resolve(const std::vector<uruk_resolved> &addresses) const {
    return detail::checked(uruk_responsibility_resolve(handle(), addresses.data(), addresses.size()));
  }

  /// Copies bytes into memory of the process where code runs, which goes when the unit is removed, and says where they are. `kind` is
  /// `URUK_KIND_CODE`, `URUK_KIND_RODATA` or `URUK_KIND_DATA`.
  Result<std::uint64_t> write(std::uint32_t kind, Bytes bytes, std::uint64_t alignment) const {
    std::uint64_t address = 0;
    return detail::checked(uruk_responsibility_write(handle(), kind, bytes.data(), bytes.size(), alignment, &address), address);
  }

  /// Functions to run, in this order, when the dylib is initialised next; each is called with the arguments of `main`.
  Result<void> add_initialisers(const std::vector<std::uint64_t> &functions) const {
    return detail::checked(uruk_responsibility_add_initialisers(handle(), functions.data(), functions.size()));
  }

  /// Keeps a value until the unit is removed, or its JIT destroyed.
  template <class T>
  Result<void> keep(T value) const {
    auto kept = std::make_unique<T>(std::move(value));
    T *context = kept.get();
    return detail::give(std::move(kept), uruk_responsibility_keep(handle(), context, detail::destroy<T>));
  }

  /// Promises more names.
  Result<void> define(const std::vector<uruk_definition> &more) const {
    return detail::checked(uruk_responsibility_define(handle(), more.data(), more.size()));
  }

  /// Takes a part of the names over into a responsibility of its own.
  Result<Responsibility> delegate(const std::vector<uruk_name> &names) const {
    uruk_responsibility *part = nullptr;
    if (uruk_responsibility_delegate(handle(), names.data(), names.size(), &part) != URUK_OK) return Error::last();
    return Responsibility(part);
  }

  /// Gives names back, with another unit that defines them if somebody asks.
  Result<void> replace(std::unique_ptr<Unit> unit, const std::vector<uruk_definition> &definitions) const;

  /// Says that the definitions are complete. They become ready together with all that they need. Settles; if this fails, the unit has.
  Result<void> emit(const std::vector<Need> &needs = {}) {
    std::vector<uruk_need> plain;
    for (const Need &need : needs) plain.push_back({need.dylib.handle(), need.name, 0});
    return detail::checked(uruk_responsibility_emit(take(), plain.data(), plain.size()));
  }

  /// Has an object linked that defines what was promised; it is copied. Settles; if this fails, the unit has.
  Result<void> link(Bytes object, Text name = nullptr) {
    return detail::checked(uruk_responsibility_link(take(), name, object.data(), object.size()));
  }

  /// Has a text compiled that defines what was promised, and the object linked. `language` is the ending that files in it have: "c", "ll",
  /// "clif" and so on. Settles; if this fails, the unit has.
  Result<void> compile(Text language, Bytes text, Text name = nullptr) {
    return detail::checked(uruk_responsibility_compile(take(), language, name, text.data(), text.size()));
  }

  /// Says that the definitions cannot be had, and why. Settles.
  Result<void> fail(Text message) { return detail::checked(uruk_responsibility_fail(take(), message)); }

  /// Looks up what is needed to go on, and goes on in `callback`, which is called with a `Responsibility` and a
  /// `Result<std::vector<std::uint64_t>>` on whatever thread that is: no thread waits. This one is empty then. If this fails, it is not,
  /// and the callback is not called. `flags` are `URUK_LOOKUP_…`, joined by `|`.
  template <class Callback>
  Result<void> look_up(const std::vector<uruk_name> &names, Callback callback, std::uint32_t flags = 0) {
    auto context = std::make_unique<Callback>(std::move(callback));
    Callback *plain = context.get();
    uruk_status status = uruk_responsibility_look_up(handle(), names.data(), names.size(), flags, found<Callback>, plain);
    if (status == URUK_OK) take();
    return detail::give(std::move(context), status);
  }

 private:
  template <class Copy>
  Result<std::vector<uruk_name>> names(Copy copy) const {
    std::vector<uruk_name> names;
    // Again, if there are more meanwhile.
    for (std::size_t count = 0;; names.resize(count)) {
      if (copy(handle(), names.data(), names.size(), &count) != URUK_OK) return Error::last();
      if (count <= names.size()) {
        names.resize(count);
        return names;
      }
    }
  }

  template <class Callback>
  static void found(void *context, uruk_responsibility *responsibility, uruk_status status, const char *message,
                    const std::uint64_t *addresses, std::size_t count) noexcept {
    std::unique_ptr<Callback> callback(static_cast<Callback *>(context));
    (*callback)(Responsibility(responsibility), detail::found(status, message, addresses, count));
  }
};

/// Something that is made when somebody asks for one of the names that it promises, for `Dylib::define_unit`.
class Unit {
 public:
  virtual ~Unit() = default;

  /// Makes it, at most once, on whatever thread the JIT chooses; it may look up. The unit is deleted after that; its responsibility may be
  /// settled later and on another thread.
  virtual void materialize(Responsibility responsibility) noexcept = 0;

  /// What messages call it.
  virtual const char *name() const noexcept { return nullptr; }

  Unit(const Unit &) = delete;
  Unit &operator=(const Unit &) = delete;

 protected:
  Unit() = default;
};

namespace detail {

/// A unit of what can be called.
template <class Make>
class CalledUnit final : public Unit {
 public:
  explicit CalledUnit(Make make) : make_(std::move(make)) {}
  void materialize(Responsibility responsibility) noexcept override { make_(std::move(responsibility)); }

 private:
  Make make_;
};

/// The callbacks of the library, whose context is a `Unit`.
struct UnitCallbacks {
  static void materialize(void *context, uruk_responsibility *responsibility) noexcept {
    std::unique_ptr<Unit> unit(static_cast<Unit *>(context));
    unit->materialize(Responsibility(responsibility));
  }

  /// Has `define` define the unit.
  template <class Define>
  static Result<void> define(std::unique_ptr<Unit> unit, const std::vector<uruk_definition> &definitions, Define define) {
    uruk_unit plain;
    if (uruk_unit_init(&plain, sizeof plain) != URUK_OK) return Error::last();
    plain.context = unit.get();
    plain.name = unit->name();
    plain.definitions = definitions.data();
    plain.definition_count = definitions.size();
    plain.materialize = materialize;
    plain.destroy = destroy<Unit>;
    return give(std::move(unit), define(&plain));
  }
};

}  // namespace detail

inline Result<void> Responsibility::replace(std::unique_ptr<Unit> unit, const std::vector<uruk_definition> &definitions) const {
  auto define = [this](const uruk_unit *plain) { return uruk_responsibility_replace(handle(), plain); };
  return detail::UnitCallbacks::define(std::move(unit), definitions, define);
}

inline Result<void> Dylib::define_unit(std::unique_ptr<Unit> unit, const std::vector<uruk_definition> &definitions,
                                       const Tracker *tracker) const {
  auto define = [&](const uruk_unit *plain) { return uruk_dylib_define_unit(handle_, of(tracker), plain); };
  return detail::UnitCallbacks::define(std::move(unit), definitions, define);
}

template <class Make, class>
Result<void> Dylib::define_unit(Make make, const std::vector<uruk_definition> &definitions, const Tracker *tracker) const {
  return define_unit(std::unique_ptr<Unit>(new detail::CalledUnit<Make>(std::move(make))), definitions, tracker);
}

}  // namespace uruk

#endif  // URUK_UNIT_HPP
