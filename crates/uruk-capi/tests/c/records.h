/* A list of records as the runtime in `support/mod.rs` has it. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct record {
  struct record *next;
  long (*function)(long);
  void *stream;
  const char *inner;
  char name[24];
};

#endif
