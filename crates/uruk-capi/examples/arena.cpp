/* Memory of one's own: `arena OBJECT` links an object into an arena of the program's, calls its `compute`, and removes it again. */

#include <cstdio>
#include <sys/mman.h>
#include <uruk.hpp>

namespace {

constexpr std::uint64_t SIZE = std::uint64_t{16} << 20, PAGE = 4096;

/* All memory, given out from its start, which begins anew when nothing is left in it. */
struct Arena {
  char *start = nullptr;
  std::uint64_t used = 0;
  int batches = 0;
};

/* What was given for one request. */
class Batch : public uruk::Memory {
 public:
  explicit Batch(Arena &arena) : arena_(arena) {}

  uruk::Result<void> allocate(const uruk::Request &request, uruk_memory_answer *answers) noexcept override {
    std::uint64_t used = arena_.used;
    for (const uruk_memory_segment &segment : request.segments()) {
      std::uint64_t alignment = segment.alignment < PAGE ? PAGE : segment.alignment;
      used = (used + alignment - 1) / alignment * alignment;
      if (SIZE < used || SIZE - used < segment.size) return uruk::Error("the arena is full");
      char *start = arena_.start + used;
      *answers++ = {start, reinterpret_cast<std::uintptr_t>(start)};
      int protection = PROT_READ | (segment.protection & URUK_PROTECTION_WRITE ? PROT_WRITE : 0) |
                       (segment.protection & URUK_PROTECTION_EXECUTE ? PROT_EXEC : 0);
      segments_.push_back({start, segment.size, protection});
      used += segment.size;
    }
    arena_.used = used;
    arena_.batches++;
    return {};
  }

  /* All bytes are written. */
  uruk::Result<void> finalize(std::uint64_t) noexcept override {
    for (const Segment &segment : segments_) {
      if (mprotect(segment.start, segment.size, segment.protection) != 0) return uruk::Error("the arena cannot be protected");
    }
    return {};
  }

  void deallocate(std::uint64_t) noexcept override {
    for (const Segment &segment : segments_) mprotect(segment.start, segment.size, PROT_READ | PROT_WRITE);
    if (--arena_.batches == 0) arena_.used = 0;
  }

 private:
  struct Segment {
    char *start;
    std::uint64_t size;
    int protection;
  };

  Arena &arena_;
  std::vector<Segment> segments_;
};

class Batches : public uruk::MemoryContexts<Batch> {
 public:
  explicit Batches(Arena &arena) : arena_(arena) {}

  uruk::Result<std::unique_ptr<Batch>> create_context(const uruk::Request &) noexcept override {
    return std::make_unique<Batch>(arena_);
  }

  /* Everything lies here, and so in reach of each other: no call needs a stub. */
  uruk::Result<uruk::Span> span(std::uint32_t) noexcept override {
    std::uint64_t start = reinterpret_cast<std::uintptr_t>(arena_.start);
    return uruk::Span{start, start + SIZE};
  }

 private:
  Arena &arena_;
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: arena OBJECT\n");
    return 1;
  }
  Arena arena;
  void *start = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    std::perror("the arena");
    return 1;
  }
  arena.start = static_cast<char *>(start);
  uruk::MemoryManager memory = uruk::MemoryManager::make_each<Batches>(URUK_MEMORY_SERIALIZE, arena).value();
  uruk::Options options;
  options.memory = &memory;
  uruk::Jit jit = uruk::Jit::make(options).value();
  uruk::Dylib program = jit.main();
  program.add_file(argv[1]).value();
  auto compute = program.function<int(int)>("compute").value();
  bool is_inside = reinterpret_cast<std::uintptr_t>(compute) - reinterpret_cast<std::uintptr_t>(start) < SIZE;
  std::printf("compute(40) is %d, %s the arena\n", compute(40), is_inside ? "in" : "out of");
  program.clear().value();
  jit.quiesce().value();
  std::printf("%d batches, %d bytes left\n", arena.batches, static_cast<int>(arena.used));
  return 0;
}
