/* An image: `image make FILE OBJECT` links an object for an address of another process, by a memory manager whose bytes are written
 * here and will be there, and writes it to a file. `image run FILE` is that other process, which needs neither the object nor the
 * library: it maps the file and calls `compute`. */

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uruk.hpp>

namespace {

/* Where it will be. */
constexpr std::uint64_t BASE = 0x200000000000, PAGE = 4096, MOST = 1 << 20;

struct Header {
  char mark[8] = {'a', 'n', ' ', 'i', 'm', 'a', 'g', 'e'};
  std::uint64_t entry = 0, size = PAGE, count = 0;
  struct {
    std::uint64_t offset = 0, size = 0;
    std::int32_t protection = 0, reserved = 0;
  } segments[3];
};

/* The bytes stay after they are final: they are written to the file at the end. */
class Image : public uruk::Memory {
 public:
  Image(Header &header, std::vector<char> &bytes) : header_(header), bytes_(bytes) {}

  uruk::Result<uruk::Span> span(std::uint32_t) noexcept override { return uruk::Span{BASE, BASE + MOST}; }

  uruk::Result<void> allocate(const uruk::Request &request, uruk_memory_answer *answers) noexcept override {
    if (header_.count != 0 || 3 < request->segment_count) return uruk::Error("an image is one batch");
    for (const uruk_memory_segment &segment : request.segments()) {
      if (MOST < header_.size + segment.size) return uruk::Error("the image is full");
      auto &ours = header_.segments[header_.count++];
      ours.offset = header_.size;
      ours.size = (segment.size + PAGE - 1) / PAGE * PAGE;
      ours.protection = PROT_READ | (segment.protection & URUK_PROTECTION_WRITE ? PROT_WRITE : 0) |
                        (segment.protection & URUK_PROTECTION_EXECUTE ? PROT_EXEC : 0);
      *answers++ = {bytes_.data() + ours.offset, BASE + ours.offset};
      header_.size += ours.size;
    }
    return {};
  }

  uruk::Result<void> finalize(std::uint64_t) noexcept override { return {}; }

  void deallocate(std::uint64_t) noexcept override {}

 private:
  Header &header_;
  std::vector<char> &bytes_;
};

int make(const char *file, const char *object) {
  Header header;
  std::vector<char> bytes(MOST);
  uruk::MemoryManager memory = uruk::MemoryManager::make<Image>(0, header, bytes).value();
  uruk::Options options;
  options.flags = URUK_JIT_LINK_ONLY;
  options.memory = &memory;
  uruk::Jit jit = uruk::Jit::make(options).value();
  jit.main().add_object_files({object}).value();
  header.entry = jit.main().lookup("compute").value();
  std::memcpy(bytes.data(), &header, sizeof header);
  std::FILE *output = std::fopen(file, "wb");
  if (!output || std::fwrite(bytes.data(), 1, header.size, output) != header.size || std::fclose(output) != 0) {
    std::perror(file);
    return 1;
  }
  return 0;
}

int run(const char *file) {
  Header header, expected;
  int input = open(file, O_RDONLY);
  if (input < 0 || read(input, &header, sizeof header) != sizeof header || std::memcmp(header.mark, expected.mark, 8) != 0) {
    std::fprintf(stderr, "%s is no image\n", file);
    return 1;
  }
  for (std::uint64_t i = 0; i < header.count && i < 3; i++) {
    auto &segment = header.segments[i];
    void *place = reinterpret_cast<void *>(static_cast<std::uintptr_t>(BASE + segment.offset));
    if (mmap(place, segment.size, segment.protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE, input, static_cast<off_t>(segment.offset)) !=
        place) {
      std::perror("the image's address");
      return 1;
    }
  }
  auto compute = reinterpret_cast<int (*)(int)>(static_cast<std::uintptr_t>(header.entry));
  int first = compute(1);
  std::printf("%d %d\n", first, compute(2));
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  std::string task = argc < 2 ? "" : argv[1];
  if (argc == 4 && task == "make") return make(argv[2], argv[3]);
  if (argc == 3 && task == "run") return run(argv[2]);
  std::fprintf(stderr, "usage: image make FILE OBJECT | image run FILE\n");
  return 1;
}
