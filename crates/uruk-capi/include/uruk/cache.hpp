/* Caches, which keep what compilers make. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_CACHE_HPP
#define URUK_CACHE_HPP

#include "base.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace uruk {

/// What something is kept under.
using CacheKey = std::array<std::uint8_t, 32>;

/// The key of what a compiler makes of these parts: all that the result depends on.
inline Result<CacheKey> cache_key(Text compiler, const std::vector<Bytes> &parts) {
  std::vector<uruk_bytes> plain;
  for (const Bytes &part : parts) plain.push_back({part.data(), part.size()});
  CacheKey key{};
  return detail::checked(uruk_cache_key(compiler, plain.data(), plain.size(), key.data()), key);
}

/// A cache of one's own, for `Cache::make`. Several threads may call it at once. One that fails has less, and no more than that.
class CacheStore {
 public:
  virtual ~CacheStore() = default;

  /// What is kept under a key, if there is something.
  virtual Result<std::optional<std::vector<std::uint8_t>>> get(const CacheKey &key) noexcept = 0;

  /// Keeps bytes, if there is room.
  virtual Result<void> put(const CacheKey &key, Bytes bytes) noexcept = 0;

  /// What messages call it.
  virtual const char *name() const noexcept { return nullptr; }

  CacheStore(const CacheStore &) = delete;
  CacheStore &operator=(const CacheStore &) = delete;

 protected:
  CacheStore() = default;
};

namespace detail {

/// The callbacks of the library, whose context is a `CacheStore`.
struct CacheCallbacks {
  static CacheKey key_of(const std::uint8_t *bytes) {
    CacheKey key;
    std::copy(bytes, bytes + key.size(), key.begin());
    return key;
  }

  static std::int32_t get(void *context, const std::uint8_t *key, uruk_sink *sink, char **message) noexcept {
    auto found = static_cast<CacheStore *>(context)->get(key_of(key));
    if (!found) return answer(found.error(), message);
    if (!*found) return 0;
    const std::vector<std::uint8_t> &bytes = **found;
    return answer(checked(uruk_sink_put(sink, bytes.data(), bytes.size())), message);
  }

  static std::int32_t put(void *context, const std::uint8_t *key, const std::uint8_t *bytes, std::size_t size, char **message) noexcept {
    return answer(static_cast<CacheStore *>(context)->put(key_of(key), Bytes(bytes, size)), message);
  }
};

}  // namespace detail

/// Keeps what compilers make. A JIT that has one keeps it: it may be let go before.
class Cache : public detail::Owner<uruk_cache, uruk_cache_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// A cache of one's own, which is deleted when no JIT has it any more.
  static Result<Cache> make(std::unique_ptr<CacheStore> store) {
    uruk_cache_callbacks table;
    if (uruk_cache_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = store.get();
    table.name = store->name();
    table.get = detail::CacheCallbacks::get;
    table.put = detail::CacheCallbacks::put;
    table.destroy = detail::destroy<CacheStore>;
    uruk_cache *handle = nullptr;
    if (uruk_cache_create(&table, &handle) != URUK_OK) return Error::last();
    (void)store.release();
    return Cache(handle);
  }

  /// A cache in memory of so many bytes at most, which loses what was not used for long.
  static Result<Cache> in_memory(std::uint64_t limit) {
    uruk_cache *handle = nullptr;
    if (uruk_cache_create_memory(limit, &handle) != URUK_OK) return Error::last();
    return Cache(handle);
  }

  /// A cache in a folder, of so many bytes at most; several processes may use it at once.
  static Result<Cache> in_directory(Text path, std::uint64_t limit) {
    uruk_cache *handle = nullptr;
    if (uruk_cache_create_directory(path, limit, &handle) != URUK_OK) return Error::last();
    return Cache(handle);
  }

  /// What it has under a key, if it has something.
  Result<std::optional<std::vector<std::uint8_t>>> get(const CacheKey &key) const {
    std::vector<std::uint8_t> bytes;
    // Again, if somebody has kept more there meanwhile.
    for (std::size_t size = 0;; bytes.resize(size)) {
      uruk_status status = uruk_cache_get(handle(), key.data(), bytes.data(), bytes.size(), &size);
      if (status == URUK_MISSING) return std::optional<std::vector<std::uint8_t>>();
      if (status != URUK_OK) return Error::last();
      if (size <= bytes.size()) {
        bytes.resize(size);
        return std::optional(std::move(bytes));
      }
    }
  }

  /// Keeps bytes under a key, if there is room.
  Result<void> put(const CacheKey &key, Bytes bytes) const {
    return detail::checked(uruk_cache_put(handle(), key.data(), bytes.data(), bytes.size()));
  }
};

}  // namespace uruk

#endif  // URUK_CACHE_HPP
