/* What becomes of a call: a value or an error. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_RESULT_HPP
#define URUK_RESULT_HPP

#include "../uruk.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace uruk {

/// What went wrong: a status to tell failures from each other, and a text for people.
class Error {
 public:
  Error(uruk_status status, std::string text) : status_(status), text_(std::move(text)) {}

  /// A failure of a callback of one's own.
  explicit Error(std::string text) : Error(URUK_CALLBACK, std::move(text)) {}

  /// This thread's last failure.
  static Error last() {
    std::string text(uruk_last_message(nullptr, 0), '\0');
    uruk_last_message(text.data(), text.size() + 1);
    return Error(uruk_last_status(), std::move(text));
  }

  /// A failure that was kept, which goes.
  static Error take(uruk_error *kept) {
    const char *text = uruk_error_message(kept);
    Error error(uruk_error_status(kept), text ? text : "");
    uruk_error_dispose(kept);
    return error;
  }

  uruk_status status() const { return status_; }
  const std::string &text() const { return text_; }

 private:
  uruk_status status_;
  std::string text_;
};

/// A value, or why there is none. To ask for what is not there ends the process, with the text of the error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return content_.index() == 0; }

  T &value() & { return *get(); }
  T value() && { return std::move(*get()); }
  T &operator*() & { return *get(); }
  T operator*() && { return std::move(*get()); }
  T *operator->() { return get(); }

  T value_or(T otherwise) && {
    T *value = std::get_if<0>(&content_);
    return value ? std::move(*value) : std::move(otherwise);
  }

  const Error &error() const {
    if (const Error *error = std::get_if<1>(&content_)) return *error;
    std::fputs("uruk: asked for the error of what has succeeded\n", stderr);
    std::abort();
  }

 private:
  T *get() {
    if (T *value = std::get_if<0>(&content_)) return value;
    std::fprintf(stderr, "uruk: %s\n", error().text().c_str());
    std::abort();
  }

  std::variant<T, Error> content_;
};

/// Success, or why not.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }

  /// Ends the process, with the text of the error, if there is one.
  void value() const {
    if (!error_) return;
    std::fprintf(stderr, "uruk: %s\n", error_->text().c_str());
    std::abort();
  }

  const Error &error() const {
    if (error_) return *error_;
    std::fputs("uruk: asked for the error of what has succeeded\n", stderr);
    std::abort();
  }

 private:
  std::optional<Error> error_;
};

}  // namespace uruk

#endif  // URUK_RESULT_HPP
