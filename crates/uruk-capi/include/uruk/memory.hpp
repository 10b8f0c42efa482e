/* Who gives memory to linked code. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_MEMORY_HPP
#define URUK_MEMORY_HPP

#include "base.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace uruk {

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

/// Makes a `Memory` for each request, for `MemoryManager::make_each`: a `T` is asked and told about one request, and deleted after that.
/// Its `span` is not called, but the one here is.
template <class T>
class MemoryContexts {
 public:
  using Context = T;

  virtual ~MemoryContexts() = default;

  virtual Result<std::unique_ptr<T>> create_context(const Request &request) noexcept = 0;

  virtual Result<Span> span(std::uint32_t placement) noexcept {
    (void)placement;
    return Span{0, UINT64_MAX};
  }

  MemoryContexts(const MemoryContexts &) = delete;
  MemoryContexts &operator=(const MemoryContexts &) = delete;

 protected:
  MemoryContexts() = default;
};

/// A memory manager as MCJIT's users have it, for `MemoryManager::make_sections`: it is asked for one section of code, one of constants and
/// one of variables for each batch of objects, and nothing is given back before it is deleted. A section that is null is refused.
class SectionMemory {
 public:
  virtual ~SectionMemory() = default;

  virtual std::uint8_t *allocate_code(std::size_t size, std::uint32_t alignment, std::uint32_t id, const char *name) noexcept = 0;
  virtual std::uint8_t *allocate_data(std::size_t size, std::uint32_t alignment, std::uint32_t id, const char *name,
                                      bool is_read_only) noexcept = 0;

  /// Protects all that was given so far.
  virtual Result<void> finalize() noexcept = 0;

  SectionMemory(const SectionMemory &) = delete;
  SectionMemory &operator=(const SectionMemory &) = delete;

 protected:
  SectionMemory() = default;
};

/// The library's own memory, otherwise than it would be: see `uruk_memory_options`.
struct StockMemory {
  /// `URUK_STOCK_…`, joined by `|`.
  std::uint32_t flags = 0;
  /// With `URUK_STOCK_AT`.
  std::uint64_t start = 0, size = 0;
};

namespace detail {

/// The callbacks of the library, whose context is a `Memory`, unless that is said.
struct MemoryCallbacks {
  static Memory &memory(void *context) { return *static_cast<Memory *>(context); }

  /// `T` is a `Memory`, or makes them.
  template <class T>
  static std::int32_t span(void *context, std::uint32_t placement, std::uint64_t *start, std::uint64_t *end, char **message) noexcept {
    Result<Span> span = static_cast<T *>(context)->span(placement);
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

  /// `T` makes memories.
  template <class T>
  static std::int32_t create_context(void *context, const uruk_memory_request *request, void **created, char **message) noexcept {
    auto made = static_cast<T *>(context)->create_context(Request(*request));
    if (!made) return answer(made.error(), message);
    *created = static_cast<Memory *>(made->release());
    return 0;
  }

  /// What `T` does itself. A pointer to a member says in its type which class has it.
  template <class T>
  static void fill(uruk_memory_callbacks &table) {
    static_assert(std::is_base_of_v<Memory, T> && !std::is_abstract_v<T>, "derive from uruk::Memory");
    table.allocate = allocate;
    table.deallocate = deallocate;
    if constexpr (!std::is_same_v<decltype(&T::finalize), decltype(&Memory::finalize)>) table.finalize = finalize;
    if constexpr (!std::is_same_v<decltype(&T::abandon), decltype(&Memory::abandon)>) table.abandon = abandon;
    if constexpr (!std::is_same_v<decltype(&T::release), decltype(&Memory::release)>) table.release = release;
  }
};

/// The functions of the library, whose context is a `SectionMemory`.
struct SectionCallbacks {
  static SectionMemory &memory(void *context) { return *static_cast<SectionMemory *>(context); }

  static std::uint8_t *code(void *context, std::size_t size, std::uint32_t alignment, std::uint32_t id, const char *name) noexcept {
    return memory(context).allocate_code(size, alignment, id, name);
  }

  static std::uint8_t *data(void *context, std::size_t size, std::uint32_t alignment, std::uint32_t id, const char *name,
                            std::int32_t is_read_only) noexcept {
    return memory(context).allocate_data(size, alignment, id, name, is_read_only != 0);
  }

  static std::int32_t finalize(void *context, char **message) noexcept { return answer(memory(context).finalize(), message); }
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
    uruk_memory_callbacks table;
    if (uruk_memory_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    using Calls = detail::MemoryCallbacks;
    Calls::fill<T>(table);
    if constexpr (!std::is_same_v<decltype(&T::span), decltype(&Memory::span)>) table.span = Calls::span<Memory>;
    return create(flags, table, std::unique_ptr<Memory>(new T(std::forward<Arguments>(arguments)...)));
  }

  /// One that makes a memory of its own for each request; `T` is a `MemoryContexts`.
  template <class T, class... Arguments>
  static Result<MemoryManager> make_each(std::uint32_t flags, Arguments &&...arguments) {
    uruk_memory_callbacks table;
    if (uruk_memory_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    using Calls = detail::MemoryCallbacks;
    using Base = MemoryContexts<typename T::Context>;
    Calls::fill<typename T::Context>(table);
    table.create_context = Calls::create_context<T>;
    table.destroy_context = detail::destroy<Memory>;
    if constexpr (!std::is_same_v<decltype(&T::span), decltype(&Base::span)>) table.span = Calls::span<T>;
    return create(flags, table, std::make_unique<T>(std::forward<Arguments>(arguments)...));
  }

  /// One of sections; `T` is a `SectionMemory`.
  template <class T, class... Arguments>
  static Result<MemoryManager> make_sections(Arguments &&...arguments) {
    std::unique_ptr<SectionMemory> memory(new T(std::forward<Arguments>(arguments)...));
    using Calls = detail::SectionCallbacks;
    uruk_memory_manager *handle = nullptr;
    uruk_status status = uruk_memory_manager_create_sections(memory.get(), Calls::code, Calls::data, Calls::finalize,
                                                             detail::destroy<SectionMemory>, &handle);
    if (status != URUK_OK) return Error::last();
    (void)memory.release();
    return MemoryManager(handle);
  }

  /// What lies in memory that was made with `URUK_STOCK_LAY_OUT`, in order of addresses.
  Result<std::vector<uruk_memory_run>> runs() const {
    std::vector<uruk_memory_run> runs;
    std::size_t count = 0;
    do {
      // Something was linked since the last time.
      runs.resize(count);
      if (uruk_memory_manager_runs(handle(), runs.data(), runs.size(), &count) != URUK_OK) return Error::last();
    } while (runs.size() < count);
    // Something may have gone, too.
    runs.resize(count);
    return runs;
  }

  /// Final bytes that lie in such memory, all of one run.
  Result<std::vector<std::uint8_t>> read(std::uint64_t target, std::size_t size) const {
    std::vector<std::uint8_t> bytes(size);
    if (uruk_memory_manager_read(handle(), target, bytes.data(), size) != URUK_OK) return Error::last();
    return bytes;
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

 private:
  template <class Context>
  static Result<MemoryManager> create(std::uint32_t flags, uruk_memory_callbacks &table, std::unique_ptr<Context> context) {
    table.flags = flags;
    table.context = context.get();
    table.destroy = detail::destroy<Context>;
    uruk_memory_manager *handle = nullptr;
    if (uruk_memory_manager_create(&table, &handle) != URUK_OK) return Error::last();
    (void)context.release();
    return MemoryManager(handle);
  }
};

}  // namespace uruk

#endif  // URUK_MEMORY_HPP
