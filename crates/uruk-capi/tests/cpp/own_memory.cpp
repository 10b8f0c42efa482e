/* A memory manager of one's own in C++: what it is asked and told, and that what it leaves out is the library's to do. */

#include "check.hpp"

#include <map>
#include <sys/mman.h>

namespace {

constexpr std::size_t SIZE = std::size_t{64} << 20;

/* What is seen of a manager from outside, which it does not outlive. */
struct Seen {
  char *start = nullptr;
  const char *fault = nullptr;
  int allocated = 0, finalized = 0, abandoned = 0, deallocated = 0, deleted = 0;
  std::uint64_t live = 0, released = 0, sections = 0;
  std::string object, dylib;
};

/* Pages of one mapping, given out from its start. */
class Plain : public uruk::Memory {
 public:
  explicit Plain(Seen &seen) : seen_(seen) {
    void *start = mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(start != MAP_FAILED);
    seen.start = static_cast<char *>(start);
  }

  ~Plain() override {
    seen_.deleted++;
    munmap(seen_.start, SIZE);
  }

  uruk::Result<uruk::Span> span(std::uint32_t) noexcept override {
    std::uint64_t start = reinterpret_cast<std::uintptr_t>(seen_.start);
    return uruk::Span{start, start + SIZE};
  }

  uruk::Result<void> allocate(const uruk::Request &request, uruk_memory_answer *answers) noexcept override {
    if (seen_.fault) return uruk::Error(seen_.fault);
    for (const uruk_memory_object &object : request.objects()) {
      seen_.object = object.name;
      seen_.dylib = object.dylib;
    }
    for (const uruk_memory_segment &segment : request.segments()) {
      std::size_t align = segment.alignment < 4096 ? 4096 : segment.alignment;
      used_ = (used_ + align - 1) / align * align;
      answers->working = seen_.start + used_;
      answers->target = reinterpret_cast<std::uintptr_t>(answers->working);
      answers++;
      used_ += segment.size;
      seen_.live += segment.size;
      seen_.sections += request.sections(segment).size();
      for (const uruk_memory_section &section : request.sections(segment)) CHECK(section.object < request->object_count);
      segments_[request->allocation].push_back(segment);
    }
    CHECK(request.segments().size() == segments_[request->allocation].size());
    CHECK(request.other_sections().size() == 0 && request.segments()[0].size != 0);
    seen_.allocated++;
    return {};
  }

  void release(std::uint64_t, const uruk_memory_piece &piece) noexcept override { seen_.released += piece.size; }

  void deallocate(std::uint64_t allocation) noexcept override {
    CHECK(segments_.erase(allocation) == 1);
    seen_.deallocated++;
  }

 protected:
  Seen &seen_;

 private:
  std::size_t used_ = 0;
  std::map<std::uint64_t, std::vector<uruk_memory_segment>> segments_;
};

/* One that is told everything. */
class Told : public Plain {
 public:
  using Plain::Plain;

  uruk::Result<void> finalize(std::uint64_t) noexcept override {
    if (mprotect(seen_.start, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return uruk::Error("mprotect");
    if (seen_.fault) return uruk::Error(seen_.fault);
    seen_.finalized++;
    return {};
  }

  void abandon(std::uint64_t) noexcept override { seen_.abandoned++; }
};

/* One that fails late. */
class Late : public Told {
 public:
  using Told::Told;

  uruk::Result<void> allocate(const uruk::Request &request, uruk_memory_answer *answers) noexcept override {
    uruk::Result<void> result = Told::allocate(request, answers);
    seen_.fault = "the arena does not protect";
    return result;
  }
};

template <class T>
uruk::Jit jit_with(Seen &seen) {
  uruk::MemoryManager memory = uruk::MemoryManager::make<T>(URUK_MEMORY_HARDENED, seen).value();
  uruk::Options options;
  options.memory = &memory;
  return uruk::Jit::make(options).value();
}

template <class T>
void runs(const char *file, int finalized) {
  Seen seen;
  {
    uruk::Jit jit = jit_with<T>(seen);
    uruk::Tracker tracker = jit.main().track().value();
    CHECK(seen.deleted == 0 && jit.main().add_object_files({file}, &tracker));
    auto compute = jit.main().function<int(int)>("compute").value();
    const char *place = reinterpret_cast<const char *>(compute);
    CHECK(seen.start <= place && place < seen.start + SIZE && compute(40) == 42);
    CHECK(seen.allocated == 1 && seen.finalized == finalized && seen.object == file && seen.dylib == "main" && 2 < seen.sections);
    CHECK(tracker.remove() && jit.quiesce());
    CHECK(seen.deallocated == 1 && seen.released == seen.live && seen.abandoned == 0);
  }
  CHECK(seen.deleted == 1);
}

template <class T>
void fault(const char *file, const char *text, int abandoned) {
  Seen seen;
  {
    uruk::Jit jit = jit_with<T>(seen);
    seen.fault = abandoned ? nullptr : text;
    CHECK(jit.main().add_file(file));
    fails(jit.main().function<int(int)>("compute"), URUK_CALLBACK, text);
    CHECK(seen.abandoned == abandoned && seen.finalized == 0 && seen.deallocated == 0);
  }
  CHECK(seen.deleted == 1);
}

/* Memory of one request, whose object it is. */
class Mapping : public Plain {
 public:
  using Plain::Plain;

  uruk::Result<uruk::Span> span(std::uint32_t) noexcept override { std::abort(); }
};

/* Makes one for each. */
class Mappings : public uruk::MemoryContexts<Mapping> {
 public:
  explicit Mappings(std::map<std::string, Seen> &seen) : seen_(seen) {}
  ~Mappings() override { seen_["the manager"].deleted++; }

  uruk::Result<std::unique_ptr<Mapping>> create_context(const uruk::Request &request) noexcept override {
    if (request->object_count == 0) return uruk::Error("a request without an object");
    return std::make_unique<Mapping>(seen_[request.objects()[0].name]);
  }

  uruk::Result<uruk::Span> span(std::uint32_t placement) noexcept override {
    seen_["the manager"].allocated++;
    return MemoryContexts::span(placement);
  }

 private:
  std::map<std::string, Seen> &seen_;
};

void contexts(const char *file) {
  std::map<std::string, Seen> seen;
  {
    uruk::MemoryManager memory = uruk::MemoryManager::make_each<Mappings>(URUK_MEMORY_EACH_OBJECT, seen).value();
    uruk::Options options;
    options.memory = &memory;
    uruk::Jit jit = uruk::Jit::make(options).value();
    CHECK(jit.main().add_file(file) && jit.main().function<int(int)>("compute").value()(40) == 42);
    CHECK(seen[file].allocated == 1 && seen[file].deleted == 0 && 0 < seen["the manager"].allocated);
    CHECK(jit.main().clear() && jit.quiesce() && seen[file].deallocated == 1 && seen[file].deleted == 1);
    CHECK(memory.close() && seen["the manager"].deleted == 0);
  }
  CHECK(seen["the manager"].deleted == 1 && seen.size() == 2);
}

/* Sections one behind the other, as managers for MCJIT give them. */
class Sections : public uruk::SectionMemory {
 public:
  explicit Sections(Seen &seen) : pages_(seen), seen_(seen) {}

  std::uint8_t *allocate_code(std::size_t size, std::uint32_t alignment, std::uint32_t, const char *name) noexcept override {
    CHECK(name == std::string(".text"));
    return give(size, alignment);
  }

  std::uint8_t *allocate_data(std::size_t size, std::uint32_t alignment, std::uint32_t, const char *name,
                              bool is_read_only) noexcept override {
    CHECK(name == std::string(is_read_only ? ".rodata" : ".data"));
    return give(size, alignment);
  }

  uruk::Result<void> finalize() noexcept override {
    if (seen_.fault) return uruk::Error(seen_.fault);
    return pages_.finalize(0);
  }

 private:
  std::uint8_t *give(std::size_t size, std::size_t alignment) {
    seen_.allocated++;
    used_ = (used_ + alignment - 1) / alignment * alignment;
    std::uint8_t *given = reinterpret_cast<std::uint8_t *>(seen_.start) + used_;
    used_ += size;
    return given;
  }

  Told pages_;
  Seen &seen_;
  std::size_t used_ = 0;
};

void sections(const char *file, const char *text) {
  Seen seen;
  seen.fault = text;
  {
    uruk::MemoryManager memory = uruk::MemoryManager::make_sections<Sections>(seen).value();
    uruk::Options options;
    options.memory = &memory;
    uruk::Jit jit = uruk::Jit::make(options).value();
    CHECK(jit.main().add_file(file));
    auto compute = jit.main().function<int(int)>("compute");
    if (text) {
      fails(compute, URUK_CALLBACK, text);
    } else {
      CHECK((*compute)(40) == 42 && seen.allocated == 3 && seen.finalized == 1);
    }
    CHECK(seen.deleted == 0);
  }
  CHECK(seen.deleted == 1);
}

void mistakes() {
  Seen seen;
  fails(uruk::MemoryManager::make<Plain>(0x8000, seen), URUK_INVALID, "unknown flags");
  CHECK(seen.deleted == 1);
}

}  // namespace

int main(int argc, char **argv) {
  CHECK(argc == 2);
  runs<Plain>(argv[1], 0);
  runs<Told>(argv[1], 1);
  fault<Plain>(argv[1], "the arena is closed", 0);
  fault<Late>(argv[1], "the arena does not protect", 1);
  contexts(argv[1]);
  sections(argv[1], nullptr);
  sections(argv[1], "the sections are not protected");
  mistakes();
  std::puts("own_memory: ok");
  return 0;
}
