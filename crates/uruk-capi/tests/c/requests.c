/* What memory managers are asked: which sections of which kinds lie where, for how long, how far apart, and in which part of the
 * address space; and what becomes of answers that are not where they should be. */

#define _GNU_SOURCE
#include "steps.h"

#define SECTIONS 32
#define TWO_GIB ((uint64_t)1 << 31)

static const char *rich, *low, *large, *far_call;

struct seen {
  char name[64];
  uint32_t segment_kind;
  uruk_memory_section section;
  /* Of its segment. */
  uint64_t target, segment_alignment, segment_size, zero_fill;
  uint32_t protection;
};

/* The sections of the last request, and what it said of itself. */
static struct seen seen[SECTIONS];
static int count;
static uint32_t placement, code_model;
static uint64_t max_reach;

static void note_section(const uruk_memory_section *section, const uruk_memory_segment *segment, uint64_t target) {
  struct seen *next = &seen[count++];
  CHECK(count <= SECTIONS && section->alignment != 0 && (section->alignment & (section->alignment - 1)) == 0);
  memset(next, 0, sizeof *next);
  snprintf(next->name, sizeof next->name, "%s", section->name);
  next->section = *section;
  next->segment_kind = UINT32_MAX;
  if (segment != NULL) {
    CHECK(section->offset + section->size <= segment->size && section->offset % section->alignment == 0);
    CHECK(section->alignment <= segment->alignment);
    next->segment_kind = segment->kind, next->protection = segment->protection, next->target = target;
    next->segment_alignment = segment->alignment, next->segment_size = segment->size, next->zero_fill = segment->zero_fill;
  }
}

static void look(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  (void)steps;
  count = 0;
  placement = request->placement, code_model = request->code_model, max_reach = request->max_reach;
  CHECK(request->section_size == sizeof(uruk_memory_section) && request->object_count == 1);
  for (uint64_t i = 0; i < request->segment_count; i++) {
    for (uint64_t j = 0; j < request->segments[i].section_count; j++) {
      note_section(&request->segments[i].sections[j], &request->segments[i], answers[i].target);
    }
  }
  for (uint64_t i = 0; i < request->other_section_count; i++) {
    note_section(&request->other_sections[i], NULL, 0);
  }
}

static const struct seen *section(const char *name, uint32_t kind, uint32_t segment_kind, uint32_t lifetime) {
  const struct seen *found = NULL;
  for (int i = 0; i < count; i++) {
    if (strcmp(seen[i].name, name) == 0) {
      CHECK(found == NULL);
      found = &seen[i];
    }
  }
  CHECK(found != NULL && found->section.kind == kind && found->segment_kind == segment_kind);
  CHECK(found->section.lifetime == lifetime && found->section.object == 0);
  return found;
}

static int32_t add_scratch(void *context, const uruk_plugin_object *object, uruk_graph *graph, char **message) {
  uint32_t scratch, block;
  (void)context, (void)object, (void)message;
  OK(uruk_graph_add_section(graph, ".scratch", URUK_SECTION_SCRATCH, &scratch));
  OK(uruk_graph_retain_section(graph, scratch));
  OK(uruk_graph_add_block(graph, scratch, (const uint8_t *)"twenty bytes of text", 20, 32, &block));
  return 0;
}

static uint64_t address_of(uruk_dylib *dylib, const char *name) {
  uint64_t address;
  OK(uruk_lookup(dylib, name, &address));
  return address;
}

/* Sections of all kinds, whose places are those of the symbols in them. */
static void all_kinds(int own_finalize) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 0);
  uruk_plugin_callbacks plugin;
  uruk_jit *jit;
  uruk_dylib *dylib;
  const struct seen *at;
  if (!own_finalize) {
    callbacks.finalize = NULL;
  }
  jit = jit_of(&callbacks);
  steps.spoil = look;
  OK(uruk_plugin_callbacks_init(&plugin, sizeof plugin));
  plugin.pre_prune = add_scratch;
  OK(uruk_jit_add_plugin(jit, &plugin));
  dylib = dylib_with(jit, "rich", rich, NULL);
  /* What is a variable can be written to, each time. */
  CHECK(call(dylib, "f", 1) == 3 + 1 + 7 + 5);
  CHECK(call(dylib, "f", 1) == 3 + 1 + 7 + 5 + 3);
  at = section(".text", URUK_KIND_CODE, URUK_KIND_CODE, URUK_LIFETIME_KEEP);
  CHECK(at->target + at->section.offset == address_of(dylib, "f"));
  CHECK(at->protection == (URUK_PROTECTION_READ | URUK_PROTECTION_EXECUTE) && at->zero_fill == 0);
  at = section(".rodata", URUK_KIND_RODATA, URUK_KIND_RODATA, URUK_LIFETIME_KEEP);
  CHECK(at->target + at->section.offset == address_of(dylib, "seven") && at->section.alignment == 256);
  CHECK(at->protection == URUK_PROTECTION_READ && at->zero_fill == 0 && at->segment_alignment % 256 == 0);
  at = section(".data", URUK_KIND_DATA, URUK_KIND_DATA, URUK_LIFETIME_KEEP);
  CHECK(at->target + at->section.offset == address_of(dylib, "ones") && at->section.size == 8 && at->section.alignment == 64);
  CHECK(at->protection == (URUK_PROTECTION_READ | URUK_PROTECTION_WRITE));
  at = section(".bss", URUK_KIND_BSS, URUK_KIND_DATA, URUK_LIFETIME_KEEP);
  CHECK(at->target + at->section.offset == address_of(dylib, "zeros") && at->section.size == 1200);
  CHECK(1200 <= at->zero_fill && at->segment_size - at->zero_fill <= at->section.offset);
  at = section(".eh_frame", URUK_KIND_EH, URUK_KIND_RODATA, URUK_LIFETIME_KEEP);
  CHECK(at->section.size != 0);
  at = section(".tdata", URUK_KIND_TLS, UINT32_MAX, URUK_LIFETIME_KEEP);
  CHECK(at->section.size == 4 && at->section.alignment == 4);
  at = section(".scratch", URUK_KIND_RODATA, URUK_KIND_RODATA, URUK_LIFETIME_UNTIL_FINALIZE);
  CHECK(at->section.size == 20 && at->section.alignment == 32);
  /* It has gone, and nothing else. */
  CHECK(20 <= steps.released && steps.released < 20 + 256 && steps.deallocated == 0);
  CHECK(placement == URUK_PLACEMENT_NEAR && code_model == URUK_CODE_MODEL_SMALL && max_reach == TWO_GIB);
  if (!own_finalize) {
    steps.live = steps.batches[0].at[0].size + steps.batches[0].at[1].size + steps.batches[0].at[2].size;
  }
  close_steps(&steps, jit);
}

static char *mapping(uint64_t hint, uint64_t size) {
  void *start = mmap((void *)(uintptr_t)hint, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(start != MAP_FAILED);
  return (char *)start;
}

enum { HAS_LOW_MEMORY, HAS_NONE, SAYS_THAT_IT_HAS };

/* Code with 32-bit addresses: in memory below 2 GiB; in other memory if the manager says that it has no such; and an error if it says
 * that it has, and gives other. */
static void below_two_gib(int memory) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 0);
  uruk_jit *jit = jit_of(&callbacks);
  uruk_dylib *dylib = dylib_with(jit, "low", low, NULL);
  uint64_t address;
  steps.spoil = look;
  CHECK(munmap(steps.start, ROOM) == 0);
  steps.start = mapping(memory == HAS_LOW_MEMORY ? TWO_GIB / 8 : TWO_GIB << 10, ROOM);
  CHECK(((uint64_t)(uintptr_t)steps.start + ROOM <= TWO_GIB) == (memory == HAS_LOW_MEMORY));
  steps.span_start = memory == SAYS_THAT_IT_HAS ? TWO_GIB / 8 : (uint64_t)(uintptr_t)steps.start;
  if (memory == SAYS_THAT_IT_HAS) {
    FAILS(URUK_LINK, "R_X86_64_32", uruk_lookup(dylib, "where", &address));
    CHECK(steps.abandoned == 1 && steps.finalized == 0);
  } else {
    uint64_t *(*where)(void);
    address = address_of(dylib, "where");
    CHECK((address < TWO_GIB) == (memory == HAS_LOW_MEMORY));
    FUNCTION(uint64_t *(*)(void), where, address);
    CHECK((uint64_t)(uintptr_t)where() == address_of(dylib, "variable") && *where() == 77);
  }
  CHECK(placement == URUK_PLACEMENT_LOW && code_model == URUK_CODE_MODEL_SMALL);
  close_steps(&steps, jit);
}

#define LARGE ((uint64_t)6 << 30)
static char *large_room;

/* Gives the variables a place that instructions do not reach. */
static void spread(struct steps *steps, const uruk_memory_request *request, uruk_memory_answer *answers) {
  look(steps, request, answers);
  for (uint64_t i = 0; i < request->segment_count; i++) {
    const uruk_memory_segment *segment = &request->segments[i];
    uint64_t size = (segment->size + 4095) / 4096 * 4096;
    if (segment->kind == URUK_KIND_DATA) {
      char *there = large_room < steps->start ? large_room : large_room + LARGE - size;
      answers[i].working = there;
      answers[i].target = (uint64_t)(uintptr_t)there;
      steps->batches[0].at[i].start = there;
    }
  }
}

static void large_code(void) {
  struct steps steps;
  uruk_memory_callbacks callbacks = open_steps(&steps, 0);
  uruk_jit *jit;
  uruk_dylib *dylib;
  uint64_t apart;
  callbacks.flags = URUK_MEMORY_ZEROED;
  callbacks.span = NULL;
  large_room = mapping(0, LARGE);
  jit = jit_of(&callbacks);
  steps.spoil = spread;
  dylib = dylib_with(jit, "large", large, NULL);
  CHECK(call(dylib, "f", 5) == 5 && call(dylib, "f", 6) == 11);
  CHECK(code_model == URUK_CODE_MODEL_LARGE && max_reach == 0);
  apart = address_of(dylib, "f") - address_of(dylib, "huge");
  CHECK(TWO_GIB < apart && apart < 0 - TWO_GIB);
  close_steps(&steps, jit);
  CHECK(munmap(large_room, LARGE) == 0);
}

/* A manager whose answers are not where its `span` says: what can be reached all the same is, and the rest is an error that says what. */
static void outside_its_span(void) {
  for (int lies = 0; lies < 2; lies++) {
    struct steps steps;
    uruk_memory_callbacks callbacks = open_steps(&steps, 0);
    uruk_jit *jit = jit_of(&callbacks);
    uruk_dylib *dylib = dylib_with(jit, "far", far_call, NULL);
    uint64_t address;
    uruk_symbol symbol;
    memset(&symbol, 0, sizeof symbol);
    symbol.name = "helper";
    symbol.address = (uint64_t)(uintptr_t)steps.start + ((uint64_t)8 << 30);
    OK(uruk_dylib_define(dylib, &symbol, 1));
    if (lies) {
      steps.span_start = symbol.address;
      FAILS(URUK_LINK, "helper", uruk_lookup(dylib, "outside", &address));
      CHECK(steps.allocated == 1 && steps.abandoned == 1 && steps.finalized == 0);
      /* Just outside. */
      steps.span_start = (uint64_t)(uintptr_t)steps.start + ROOM;
      CHECK(call(dylib_with(jit, "near", rich, NULL), "f", 1) == 16);
    } else {
      OK(uruk_lookup(dylib, "outside", &address));
      CHECK(steps.allocated == 1 && steps.finalized == 1);
    }
    close_steps(&steps, jit);
  }
}

int main(int argc, char **argv) {
  CHECK(argc == 5);
  rich = argv[1], low = argv[2], large = argv[3], far_call = argv[4];
  all_kinds(1);
  all_kinds(0);
  below_two_gib(HAS_LOW_MEMORY);
  below_two_gib(HAS_NONE);
  below_two_gib(SAYS_THAT_IT_HAS);
  large_code();
  outside_its_span();
  puts("requests: ok");
  return 0;
}
