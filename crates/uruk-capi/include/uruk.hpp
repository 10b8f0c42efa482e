/* Uruk for C++17: `uruk.h` with owners that let go by themselves, results that cannot be overlooked, and types.
 *
 * Nothing here throws, and nothing needs exceptions or type information: it may be compiled with `-fno-exceptions -fno-rtti`. What can
 * fail returns a `Result`, which holds a value or an `Error`. Whatever owns can be moved, not copied; an owner that was moved from is
 * empty, and the library says of it that it is NULL. The handles of `uruk.h` are there by `handle()`, for what is only in there.
 */

#ifndef URUK_HPP
#define URUK_HPP

#include "uruk.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

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
  T &&value() && { return std::move(*get()); }
  T &operator*() & { return *get(); }
  T &&operator*() && { return std::move(*get()); }
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

/// What the rest of this file is made of.
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
  Result<void> close() { return checked(dispose(std::exchange(handle_, nullptr))); }

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

/// What a memory manager is asked for: see `uruk_memory_request`. It is valid during the call.
class Request {
 public:
  explicit Request(const uruk_memory_request &request) : request_(request) {}

  const uruk_memory_request *operator->() const { return &request_; }
  detail::Stepped<uruk_memory_segment> segments() const {
    return {request_.segments, request_.segment_count, request_.segment_size};
  }
  detail::Stepped<uruk_memory_object> objects() const {
    return {request_.objects, request_.object_count, request_.object_size};
  }
  detail::Stepped<uruk_memory_section> sections(const uruk_memory_segment &segment) const {
    return {segment.sections, segment.section_count, request_.section_size};
  }
  detail::Stepped<uruk_memory_section> other_sections() const {
    return {request_.other_sections, request_.other_section_count, request_.section_size};
  }

 private:
  const uruk_memory_request &request_;
};

/// The addresses among which answers lie.
struct Span {
  std::uint64_t start, end;
};

/// A memory manager of one's own, for `MemoryManager::make`. What each function is told is said at `uruk_memory_callbacks`; one that a
/// class leaves as it is here is like a null pointer there. They have to be public, and several threads may call them at once.
class Memory {
 public:
  virtual ~Memory() = default;

  /// Gives memory for all segments: fills in one answer for each.
  virtual Result<void> allocate(const Request &request, uruk_memory_answer *answers) noexcept = 0;
  virtual void deallocate(std::uint64_t allocation) noexcept = 0;

  virtual Result<Span> span(std::uint32_t placement) noexcept {
    (void)placement;
    return Span{0, UINT64_MAX};
  }
  virtual Result<void> finalize(std::uint64_t allocation) noexcept {
    (void)allocation;
    return {};
  }
  virtual void abandon(std::uint64_t allocation) noexcept { deallocate(allocation); }
  virtual void release(std::uint64_t allocation, const uruk_memory_piece &piece) noexcept { (void)allocation, (void)piece; }

  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

 protected:
  Memory() = default;
};

/// The library's own memory, otherwise than it would be: see `uruk_memory_options`.
struct StockMemory {
  /// `URUK_STOCK_…`, joined by `|`.
  std::uint32_t flags = 0;
  /// With `URUK_STOCK_AT`.
  std::uint64_t start = 0, size = 0;
};

namespace detail {

/// The callbacks of the library, whose context is a `Memory`.
struct Callbacks {
  static Memory &memory(void *context) { return *static_cast<Memory *>(context); }

  static std::int32_t answer(const Error &error, char **message) noexcept {
    *message = uruk_message(error.text().c_str());
    return error.status() == URUK_OK ? URUK_CALLBACK : error.status();
  }

  static std::int32_t answer(const Result<void> &result, char **message) noexcept {
    return result ? 0 : answer(result.error(), message);
  }

  static std::int32_t span(void *context, std::uint32_t placement, std::uint64_t *start, std::uint64_t *end, char **message) noexcept {
    Result<Span> span = memory(context).span(placement);
    if (!span) return answer(span.error(), message);
    *start = span->start;
    *end = span->end;
    return 0;
  }

  static std::int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) noexcept {
    return answer(memory(context).allocate(Request(*request), answers), message);
  }

  static std::int32_t finalize(void *context, std::uint64_t allocation, char **message) noexcept {
    return answer(memory(context).finalize(allocation), message);
  }

  static void abandon(void *context, std::uint64_t allocation) noexcept { memory(context).abandon(allocation); }

  static void release(void *context, std::uint64_t allocation, const uruk_memory_piece *piece) noexcept {
    memory(context).release(allocation, *piece);
  }

  static void deallocate(void *context, std::uint64_t allocation) noexcept { memory(context).deallocate(allocation); }

  static void destroy(void *context) noexcept { delete &memory(context); }
};

}  // namespace detail

/// Who gives memory to linked code. A JIT that has one keeps it: it may be let go before.
class MemoryManager : public detail::Owner<uruk_memory_manager, uruk_memory_manager_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// A manager of one's own, made from these arguments; it is deleted when no JIT has it any more. `flags` are `URUK_MEMORY_…`,
  /// joined by `|`.
  template <class T, class... Arguments>
  static Result<MemoryManager> make(std::uint32_t flags, Arguments &&...arguments) {
    static_assert(std::is_base_of_v<Memory, T> && !std::is_abstract_v<T>, "derive from uruk::Memory");
    uruk_memory_callbacks table;
    if (uruk_memory_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    std::unique_ptr<Memory> memory(new T(std::forward<Arguments>(arguments)...));
    table.flags = flags;
    table.context = memory.get();
    table.allocate = detail::Callbacks::allocate;
    table.deallocate = detail::Callbacks::deallocate;
    table.destroy = detail::Callbacks::destroy;
    // A pointer to a member says in its type which class has it.
    if constexpr (!std::is_same_v<decltype(&T::span), decltype(&Memory::span)>) table.span = detail::Callbacks::span;
    if constexpr (!std::is_same_v<decltype(&T::finalize), decltype(&Memory::finalize)>) table.finalize = detail::Callbacks::finalize;
    if constexpr (!std::is_same_v<decltype(&T::abandon), decltype(&Memory::abandon)>) table.abandon = detail::Callbacks::abandon;
    if constexpr (!std::is_same_v<decltype(&T::release), decltype(&Memory::release)>) table.release = detail::Callbacks::release;
    uruk_memory_manager *handle = nullptr;
    if (uruk_memory_manager_create(&table, &handle) != URUK_OK) return Error::last();
    (void)memory.release();
    return MemoryManager(handle);
  }

  /// The library's own memory, which packs what is linked.
  static Result<MemoryManager> make(const StockMemory &stock) {
    uruk_memory_options options;
    if (uruk_memory_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    options.flags = stock.flags;
    options.start = stock.start;
    options.size = stock.size;
    uruk_memory_manager *handle = nullptr;
    if (uruk_memory_manager_create_stock(&options, &handle) != URUK_OK) return Error::last();
    return MemoryManager(handle);
  }
};

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

class SearchEntry;

/// A part of a program with a name space of its own. It is its JIT's, and this only says which.
class Dylib {
 public:
  explicit Dylib(uruk_dylib *handle) : handle_(handle) {}

  uruk_dylib *handle() const { return handle_; }

  std::string name() const {
    std::string name(uruk_dylib_name(handle_, nullptr, 0), '\0');
    uruk_dylib_name(handle_, name.data(), name.size() + 1);
    return name;
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
  Result<void> define(Text name, std::uint64_t address) const {
    uruk_symbol symbol{name, address};
    return detail::checked(uruk_dylib_define(handle_, &symbol, 1));
  }

  /// Defines a name as a function or a variable of this process.
  template <class T>
  Result<void> define(Text name, T *target) const {
    return define(name, static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(target)));
  }

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

  /// Removes everything that was defined here; the dylib stays.
  Result<void> clear() const { return detail::checked(uruk_dylib_clear(handle_)); }

  /// Removes the dylib, with everything in it.
  Result<void> remove() const { return detail::checked(uruk_dylib_remove(handle_)); }

 private:
  static uruk_tracker *of(const Tracker *tracker) { return tracker ? tracker->handle() : nullptr; }

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
  const uruk_dispatcher_callbacks *dispatcher = nullptr;
  /// Where what compilers make is kept; null: nowhere.
  uruk_cache *cache = nullptr;
  /// Where code runs; null: in this process.
  uruk_executor *executor = nullptr;
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
    options.dispatcher = wanted.dispatcher;
    options.cache = wanted.cache;
    options.executor = wanted.executor;
    uruk_jit *jit = nullptr;
    if (uruk_jit_create(&options, &jit) != URUK_OK) return Error::last();
    return Jit(jit);
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

  /// The next of the failures that belong to no call, if there is one.
  Result<std::optional<Error>> take_report() const {
    uruk_error *report = nullptr;
    if (uruk_jit_take_report(handle(), &report) != URUK_OK) return Error::last();
    if (report == nullptr) return std::optional<Error>();
    std::optional<Error> error(std::in_place, uruk_error_status(report), uruk_error_message(report));
    uruk_error_dispose(report);
    return error;
  }
};

}  // namespace uruk

#endif  // URUK_HPP
