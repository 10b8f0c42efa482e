/* Images: what a JIT has linked and what a world has, as files. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_IMAGE_HPP
#define URUK_IMAGE_HPP

#include "dylib.hpp"
#include "jit.hpp"
#include "mapped.hpp"
#include "world.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace uruk {

/// What an image is made of, and how it is written: see `uruk_image_options`. Texts that are empty say nothing.
struct ImageOptions {
  /// `URUK_IMAGE_EXECUTABLE`, `URUK_IMAGE_SHARED_OBJECT`, `URUK_IMAGE_OBJECT` or `URUK_IMAGE_MAPPED`.
  std::uint32_t kind = URUK_IMAGE_EXECUTABLE;
  /// `URUK_IMAGE_LONG_RELOCATIONS` and those behind it, joined by `|`.
  std::uint32_t flags = 0;
  /// Whose code it has; null: no code.
  const Jit *jit = nullptr;
  /// The dylibs whose code it is; none: the main one.
  std::vector<Dylib> dylibs = {};
  /// Whose data it has, and the cells that this begins at; null: none.
  const World *world = nullptr;
  std::vector<std::string> roots = {};
  /// Who knows objects that were not added to the world; may be null.
  Heap *heap = nullptr;
  /// Paths of findings that are right nevertheless.
  std::vector<std::string> allowed = {};
  /// The function that a program calls with its arguments; empty: `main`, or none if it is to be mapped.
  std::string main = {};
  /// Where a program lies, or an image to be mapped, if it can: a multiple of 64 KiB; 0: wherever the system puts it.
  std::uint64_t address = 0;
  /// What loaders know a shared object by.
  std::string name = {};
  /// The loader; empty: the usual one.
  std::string interpreter = {};
  /// Folders where the loader looks for libraries first, with `:` between them.
  std::string run_path = {};
  /// Symbols of the code that are kept, with all that they refer to; none: everything that others can see.
  std::vector<std::string> keep = {};
  /// Files of the shared libraries that have what the image does not define; none: those that this process has loaded.
  std::vector<std::string> libraries = {};
  /// What who loads an image to be mapped can ask for.
  std::string stamp = {};
  /// A loaded image that the one to be mapped builds on; null: none.
  const Mapped *base = nullptr;
};

/// The bytes of a file that the system starts by itself, loads or links, or that `Mapped` loads.
class Image : public detail::Owner<uruk_image, uruk_image_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Makes an image of this process. While it is looked at, nobody may write to what the image is to have.
  static Result<Image> make(const ImageOptions &wanted) {
    uruk_image_options options;
    if (uruk_image_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    std::vector<uruk_dylib *> dylibs;
    for (const Dylib &dylib : wanted.dylibs) dylibs.push_back(dylib.handle());
    const Texts roots(wanted.roots), allowed(wanted.allowed), keep(wanted.keep), libraries(wanted.libraries);
    options.kind = wanted.kind;
    options.flags = wanted.flags;
    options.jit = wanted.jit ? wanted.jit->handle() : nullptr;
    options.dylibs = dylibs.data();
    options.dylib_count = dylibs.size();
    options.world = wanted.world ? wanted.world->handle() : nullptr;
    options.roots = roots.data();
    options.root_count = roots.size();
    options.allowed = allowed.data();
    options.allowed_count = allowed.size();
    options.main = given(wanted.main);
    options.address = wanted.address;
    options.name = given(wanted.name);
    options.interpreter = given(wanted.interpreter);
    options.run_path = given(wanted.run_path);
    options.keep = keep.data();
    options.keep_count = keep.size();
    options.libraries = libraries.data();
    options.library_count = libraries.size();
    options.stamp = given(wanted.stamp);
    options.base = wanted.base ? wanted.base->handle() : nullptr;
    if (!wanted.heap) return make(options);
    Result<uruk_heap_callbacks> heap = detail::HeapCallbacks::table(*wanted.heap);
    if (!heap) return heap.error();
    options.heap = &*heap;
    return make(options);
  }

  /// The bytes, which go with this.
  Result<Bytes> bytes() const {
    const std::uint8_t *bytes = nullptr;
    std::size_t size = 0;
    if (uruk_image_bytes(handle(), &bytes, &size) != URUK_OK) return Error::last();
    return Bytes(bytes, size);
  }

  /// Writes a file, in the place of one that may be running.
  Result<void> save(Text path) const { return detail::checked(uruk_image_save(handle(), path)); }

  /// Describes the file of an image, in several lines.
  static Result<std::string> describe(Text path) {
    std::string text;
    auto told = [](void *context, const char *said) noexcept { *static_cast<std::string *>(context) = said; };
    return detail::checked(uruk_image_describe(path, &text, told), text);
  }

  /// What is different in another one, a line each.
  static Result<std::vector<std::string>> differences(Text path, Text other) {
    std::vector<std::string> lines;
    auto each = [](void *context, const char *line) noexcept { static_cast<std::vector<std::string> *>(context)->push_back(line); };
    return detail::checked(uruk_image_differences(path, other, &lines, each), lines);
  }

 private:
  static Result<Image> make(const uruk_image_options &options) {
    uruk_image *image = nullptr;
    if (uruk_image_make(&options, &image) != URUK_OK) return Error::last();
    return Image(image);
  }

  static const char *given(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }
};

}  // namespace uruk

#endif  // URUK_IMAGE_HPP
