/* An image: `image make FILE OBJECT` links an object for an address of another process, by a memory manager whose bytes are written
 * here and will be there, and writes it to a file. `image run FILE` is that other process, which needs neither the object nor the
 * library: it maps the file and calls `compute`. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uruk.h>

/* Where it will be. */
#define BASE ((uint64_t)0x200000000000)
#define PAGE ((uint64_t)4096)
#define MOST ((uint64_t)1 << 20)

struct header {
  char mark[8];
  uint64_t entry, size, count;
  struct {
    uint64_t offset, size;
    int32_t protection, reserved;
  } segments[3];
};

/* The image, with its header in the first page. */
static unsigned char image[MOST];

static int32_t span(void *context, uint32_t placement, uint64_t *start, uint64_t *end, char **message) {
  (void)context, (void)placement, (void)message;
  *start = BASE;
  *end = BASE + MOST;
  return 0;
}

static int32_t allocate(void *context, const uruk_memory_request *request, uruk_memory_answer *answers, char **message) {
  struct header *header = context;
  uint64_t i, at = header->size;
  if (header->count != 0 || 3 < request->segment_count) {
    *message = uruk_message("an image is one batch");
    return 1;
  }
  for (i = 0; i < request->segment_count; i++) {
    const uruk_memory_segment *segment = &request->segments[i];
    uint32_t protection = segment->protection;
    if (MOST < at + segment->size) {
      *message = uruk_message("the image is full");
      return 1;
    }
    answers[i].working = image + at;
    answers[i].target = BASE + at;
    header->segments[i].offset = at;
    header->segments[i].size = (segment->size + PAGE - 1) / PAGE * PAGE;
    header->segments[i].protection = PROT_READ | (protection & URUK_PROTECTION_WRITE ? PROT_WRITE : 0) |
                                     (protection & URUK_PROTECTION_EXECUTE ? PROT_EXEC : 0);
    at += header->segments[i].size;
  }
  header->count = request->segment_count;
  header->size = at;
  return 0;
}

/* The bytes stay: they are written to the file at the end. */
static int32_t finalize(void *context, uint64_t allocation, char **message) {
  (void)context, (void)allocation, (void)message;
  return 0;
}

static void deallocate(void *context, uint64_t allocation) {
  (void)context, (void)allocation;
}

static void must(uruk_status status) {
  char text[1000];
  if (status != URUK_OK) {
    uruk_last_message(text, sizeof text);
    fprintf(stderr, "%s\n", text);
    exit(1);
  }
}

static int make(const char *file, const char *object) {
  struct header header;
  uruk_memory_callbacks callbacks;
  uruk_memory_manager *manager;
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *program;
  FILE *output;
  memset(&header, 0, sizeof header);
  memcpy(header.mark, "an image", 8);
  header.size = PAGE;
  must(uruk_memory_callbacks_init(&callbacks, sizeof callbacks));
  callbacks.context = &header;
  callbacks.span = span;
  callbacks.allocate = allocate;
  callbacks.finalize = finalize;
  callbacks.deallocate = deallocate;
  must(uruk_memory_manager_create(&callbacks, &manager));
  must(uruk_options_init(&options, sizeof options));
  options.flags = URUK_JIT_LINK_ONLY;
  options.memory_manager = manager;
  must(uruk_jit_create(&options, &jit));
  must(uruk_jit_main(jit, &program));
  must(uruk_dylib_add_object_files(program, NULL, &object, 1));
  must(uruk_lookup(program, "compute", &header.entry));
  memcpy(image, &header, sizeof header);
  output = fopen(file, "wb");
  if (output == NULL || fwrite(image, 1, header.size, output) != header.size || fclose(output) != 0) {
    perror(file);
    return 1;
  }
  must(uruk_jit_destroy(jit));
  must(uruk_memory_manager_dispose(manager));
  return 0;
}

static int run(const char *file) {
  struct header header;
  int (*compute)(int);
  int input = open(file, O_RDONLY);
  uint64_t i;
  if (input < 0 || read(input, &header, sizeof header) != (ssize_t)sizeof header || memcmp(header.mark, "an image", 8) != 0) {
    fprintf(stderr, "%s is no image\n", file);
    return 1;
  }
  for (i = 0; i < header.count && i < 3; i++) {
    void *place = (void *)(uintptr_t)(BASE + header.segments[i].offset);
    if (mmap(place, header.segments[i].size, header.segments[i].protection, MAP_PRIVATE | MAP_FIXED_NOREPLACE, input,
             (off_t)header.segments[i].offset) != place) {
      perror("the image's address");
      return 1;
    }
  }
  memcpy(&compute, &header.entry, sizeof compute);
  printf("%d %d\n", compute(1), compute(2));
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "make") == 0) {
    return make(argv[2], argv[3]);
  }
  if (argc == 3 && strcmp(argv[1], "run") == 0) {
    return run(argv[2]);
  }
  fprintf(stderr, "usage: image make FILE OBJECT | image run FILE\n");
  return 1;
}
