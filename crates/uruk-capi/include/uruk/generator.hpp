/* Generators, which are asked for what a dylib lacks. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_GENERATOR_HPP
#define URUK_GENERATOR_HPP

#include "dylib.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace uruk {

/// What a look-up misses in a dylib. It is valid during the call; `Names::text` has the texts of its names.
class Wanted {
 public:
  explicit Wanted(const uruk_wanted &wanted) : wanted_(wanted) {}

  const uruk_wanted_name *begin() const { return wanted_.names; }
  const uruk_wanted_name *end() const { return wanted_.names + wanted_.count; }
  std::size_t size() const { return wanted_.count; }

  /// `URUK_LOOKED_UP_…`.
  std::uint32_t kind() const { return wanted_.kind; }

  /// The dylib, to define things in.
  Dylib dylib() const { return Dylib(wanted_.dylib); }

 private:
  const uruk_wanted &wanted_;
};

namespace detail {

inline uruk_status give_up(uruk_suspended *suspended) {
  return suspended ? uruk_suspended_finish(suspended, URUK_CALLBACK, "the generator has let go of the look-up") : URUK_OK;
}

}  // namespace detail

/// A look-up that waits for a generator, on any thread, until it is finished. One that is let go before fails.
class Suspended : public detail::Owner<uruk_suspended, detail::give_up> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Lets the look-up go on with what has been defined meanwhile, or fail.
  Result<void> finish(const Result<void> &result = {}) {
    if (result) return detail::checked(uruk_suspended_finish(take(), 0, nullptr));
    uruk_status status = result.error().status();
    return detail::checked(uruk_suspended_finish(take(), status == URUK_OK ? URUK_CALLBACK : status, result.error().text().c_str()));
  }
};

/// A generator of one's own, for `Dylib::add_generator`. Several threads may call it at once; it may look up, but not what it is asked for.
class Generator {
 public:
  virtual ~Generator() = default;

  /// Defines those of the names that it can, by whatever defines something in a dylib. It succeeds if it knows none of them, too.
  virtual Result<void> generate(const Wanted &wanted) noexcept = 0;

  /// What messages call it.
  virtual const char *name() const noexcept { return nullptr; }

  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;

 protected:
  Generator() = default;
};

/// One that takes its time: the look-up goes on when it is finished, by whomever.
class LaterGenerator {
 public:
  virtual ~LaterGenerator() = default;

  virtual void generate_later(const Wanted &wanted, Suspended suspended) noexcept = 0;

  /// What messages call it.
  virtual const char *name() const noexcept { return nullptr; }

  LaterGenerator(const LaterGenerator &) = delete;
  LaterGenerator &operator=(const LaterGenerator &) = delete;

 protected:
  LaterGenerator() = default;
};

namespace detail {

/// A generator of what can be called.
template <class Generate>
class CalledGenerator final : public Generator {
 public:
  explicit CalledGenerator(Generate generate) : generate_(std::move(generate)) {}
  Result<void> generate(const Wanted &wanted) noexcept override { return generate_(wanted); }

 private:
  Generate generate_;
};

template <class Generate>
class CalledLaterGenerator final : public LaterGenerator {
 public:
  explicit CalledLaterGenerator(Generate generate) : generate_(std::move(generate)) {}
  void generate_later(const Wanted &wanted, Suspended suspended) noexcept override { generate_(wanted, std::move(suspended)); }

 private:
  Generate generate_;
};

/// The callbacks of the library, whose context is a generator of one sort or the other.
struct GeneratorCallbacks {
  static std::int32_t generate(void *context, const uruk_wanted *wanted, char **message) noexcept {
    return answer(static_cast<Generator *>(context)->generate(Wanted(*wanted)), message);
  }

  static void generate_later(void *context, const uruk_wanted *wanted, uruk_suspended *suspended) noexcept {
    static_cast<LaterGenerator *>(context)->generate_later(Wanted(*wanted), Suspended(suspended));
  }

  template <class T>
  static Result<void> add(uruk_dylib *dylib, std::unique_ptr<T> generator) {
    uruk_generator_callbacks table;
    if (uruk_generator_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = generator.get();
    table.name = generator->name();
    if constexpr (std::is_same_v<T, Generator>) table.generate = generate;
    if constexpr (std::is_same_v<T, LaterGenerator>) table.generate_later = generate_later;
    table.destroy = destroy<T>;
    return give(std::move(generator), uruk_dylib_add_generator(dylib, &table));
  }
};

}  // namespace detail

inline Result<void> Dylib::add_generator(std::unique_ptr<Generator> generator) const {
  return detail::GeneratorCallbacks::add(handle_, std::move(generator));
}

inline Result<void> Dylib::add_generator(std::unique_ptr<LaterGenerator> generator) const {
  return detail::GeneratorCallbacks::add(handle_, std::move(generator));
}

template <class Generate, class>
Result<void> Dylib::add_generator(Generate generate) const {
  if constexpr (std::is_invocable_v<Generate &, const Wanted &>) {
    return add_generator(std::unique_ptr<Generator>(new detail::CalledGenerator<Generate>(std::move(generate))));
  } else {
    return add_generator(std::unique_ptr<LaterGenerator>(new detail::CalledLaterGenerator<Generate>(std::move(generate))));
  }
}

}  // namespace uruk

#endif  // URUK_GENERATOR_HPP
