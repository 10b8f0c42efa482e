/* What calls are given, and what the other headers are made of. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_BASE_HPP
#define URUK_BASE_HPP

#include "result.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace uruk {

/// A text that a call gets; null where that is said.
class Text {
 public:
  Text(const char *text) : text_(text) {}
  Text(const std::string &text) : text_(text.c_str()) {}

  operator const char *() const { return text_; }

 private:
  const char *text_;
};

/// Texts that a call gets.
class Texts {
 public:
  Texts(std::initializer_list<Text> texts) : texts_(texts.begin(), texts.end()) {}
  Texts(const std::vector<std::string> &texts) : texts_() {
    for (const std::string &text : texts) texts_.push_back(text.c_str());
  }

  const char *const *data() const { return texts_.data(); }
  std::size_t size() const { return texts_.size(); }

 private:
  std::vector<const char *> texts_;
};

/// Bytes that a call gets: of anything that has `data()` and `size()`, or of an address.
class Bytes {
 public:
  Bytes(const void *data, std::size_t size) : data_(static_cast<const std::uint8_t *>(data)), size_(size) {}

  template <class Container, class = decltype(std::declval<const Container &>().data())>
  Bytes(const Container &bytes) : Bytes(bytes.data(), bytes.size()) {
    static_assert(sizeof *bytes.data() == 1, "these are no bytes");
  }

  const std::uint8_t *data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::uint8_t *data_;
  std::size_t size_;
};

/// A name with the address of what it stands for, in the process where code runs.
class SymbolAddress {
 public:
  SymbolAddress(Text name, std::uint64_t address) : symbol_{name, address} {}

  /// A function or a variable of this process.
  template <class T>
  SymbolAddress(Text name, T *target) : SymbolAddress(name, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(target))) {}

  operator uruk_symbol() const { return symbol_; }

 private:
  uruk_symbol symbol_;
};

/// The newest version of the interface that the library knows.
inline std::uint32_t abi_version() { return uruk_abi_version(); }

/// The library's version, as `1.2.3`.
inline const char *version() { return uruk_version(); }

/// Whether the library knows all that this header has: to be asked by who has loaded it without knowing which it is.
inline bool is_compatible() {
  const std::pair<std::uint32_t, std::size_t> structures[] = {
      {URUK_STRUCT_MEMORY_CALLBACKS, sizeof(uruk_memory_callbacks)},
      {URUK_STRUCT_MEMORY_OPTIONS, sizeof(uruk_memory_options)},
      {URUK_STRUCT_OPTIONS, sizeof(uruk_options)},
      {URUK_STRUCT_UNIT, sizeof(uruk_unit)},
      {URUK_STRUCT_GENERATOR_CALLBACKS, sizeof(uruk_generator_callbacks)},
      {URUK_STRUCT_PLUGIN_CALLBACKS, sizeof(uruk_plugin_callbacks)},
      {URUK_STRUCT_LISTENER_CALLBACKS, sizeof(uruk_listener_callbacks)},
      {URUK_STRUCT_DISPATCHER_CALLBACKS, sizeof(uruk_dispatcher_callbacks)},
      {URUK_STRUCT_CACHE_CALLBACKS, sizeof(uruk_cache_callbacks)},
      {URUK_STRUCT_EXECUTOR_OPTIONS, sizeof(uruk_executor_options)},
      {URUK_STRUCT_OBJECT_TYPE, sizeof(uruk_object_type)},
      {URUK_STRUCT_ENTRY_OPTIONS, sizeof(uruk_entry_options)},
      {URUK_STRUCT_HEAP_CALLBACKS, sizeof(uruk_heap_callbacks)},
      {URUK_STRUCT_IMAGE_OPTIONS, sizeof(uruk_image_options)},
      {URUK_STRUCT_LOAD_OPTIONS, sizeof(uruk_load_options)},
  };
  for (const auto &[structure, size] : structures) {
    if (uruk_struct_size(structure) < size) return false;
  }
  return URUK_ABI_VERSION <= abi_version();
}

/// What the other headers are made of.
namespace detail {

inline Result<void> checked(uruk_status status) {
  if (status == URUK_OK) return {};
  return Error::last();
}

/// The value that a call has stored, if it succeeded.
template <class T>
Result<T> checked(uruk_status status, T &value) {
  if (status == URUK_OK) return std::move(value);
  return Error::last();
}

/// A text that a function copies as far as there is room.
template <class Copy>
std::string text(Copy copy) {
  std::string text(copy(nullptr, 0), '\0');
  copy(text.data(), text.size() + 1);
  return text;
}

/// What a callback answers that has failed.
inline std::int32_t answer(const Error &error, char **message) {
  *message = uruk_message(error.text().c_str());
  return error.status() == URUK_OK ? URUK_CALLBACK : error.status();
}

/// What a callback answers.
inline std::int32_t answer(const Result<void> &result, char **message) { return result ? 0 : answer(result.error(), message); }

/// Gives an object to the library, as the context of callbacks, if the call that takes it succeeds.
template <class T>
Result<void> give(std::unique_ptr<T> object, uruk_status status) {
  if (status != URUK_OK) return Error::last();
  (void)object.release();
  return {};
}

/// Deletes a context that was given so.
template <class T>
void destroy(void *context) noexcept {
  delete static_cast<T *>(context);
}

/// What a look-up is answered with.
inline Result<std::vector<std::uint64_t>> found(uruk_status status, const char *message, const std::uint64_t *addresses,
                                                std::size_t count) {
  if (status != URUK_OK) return Error(status, message);
  return std::vector<std::uint64_t>(addresses, addresses + count);
}

/// A handle that is disposed of once.
template <class T, uruk_status (*dispose)(T *)>
class Owner {
 public:
  explicit Owner(T *handle) : handle_(handle) {}
  Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owner &operator=(Owner &&other) noexcept {
    Owner(std::move(other)).swap(*this);
    return *this;
  }
  ~Owner() { dispose(handle_); }

  T *handle() const { return handle_; }

  /// Does what the destructor does, now, and says how it went.
  Result<void> close() { return checked(dispose(take())); }

 protected:
  /// The handle, of which this is not the owner any more.
  T *take() { return std::exchange(handle_, nullptr); }

 private:
  void swap(Owner &other) noexcept { std::swap(handle_, other.handle_); }

  T *handle_;
};

/// The structures of a list, which may be larger in a newer library.
template <class T>
class Stepped {
 public:
  class Iterator {
   public:
    Iterator(const char *place, std::size_t step) : place_(place), step_(step) {}
    const T &operator*() const { return *reinterpret_cast<const T *>(place_); }
    const T *operator->() const { return &**this; }
    Iterator &operator++() {
      place_ += step_;
      return *this;
    }
    bool operator!=(const Iterator &other) const { return place_ != other.place_; }

   private:
    const char *place_;
    std::size_t step_;
  };

  Stepped(const T *first, std::uint64_t count, std::size_t step)
      : first_(reinterpret_cast<const char *>(first)), count_(count), step_(step) {}

  Iterator begin() const { return Iterator(first_, step_); }
  Iterator end() const { return Iterator(first_ + count_ * step_, step_); }
  std::size_t size() const { return count_; }
  const T &operator[](std::size_t index) const { return *Iterator(first_ + index * step_, step_); }

 private:
  const char *first_;
  std::size_t count_, step_;
};

}  // namespace detail

}  // namespace uruk

#endif  // URUK_BASE_HPP
