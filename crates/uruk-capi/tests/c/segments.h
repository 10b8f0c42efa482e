/* Where the segments of a batch lie, for memory managers that protect them once they are final. */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <sys/mman.h>
#include <uruk.h>

struct segments {
  uint64_t count;
  struct {
    char *start;
    uint64_t size;
    int protection;
  } at[3];
};

/* Gives the next segment these bytes, which are written where they will be. */
static void place(struct segments *segments, const uruk_memory_segment *segment, char *start, uruk_memory_answer *answer) {
  uint64_t next = segments->count++;
  segments->at[next].start = start;
  segments->at[next].size = segment->size;
  segments->at[next].protection = (segment->protection & URUK_PROTECTION_WRITE ? PROT_WRITE : 0) |
                                  (segment->protection & URUK_PROTECTION_EXECUTE ? PROT_EXEC : 0) | PROT_READ;
  answer->working = start;
  answer->target = (uint64_t)(uintptr_t)start;
}

/* Lets each segment be what was asked for, and nothing else: 0, unless that failed. */
static int protect(const struct segments *segments) {
  int failed = 0;
  for (uint64_t i = 0; i < segments->count; i++) {
    failed |= mprotect(segments->at[i].start, segments->at[i].size, segments->at[i].protection);
  }
  return failed;
}

#endif
