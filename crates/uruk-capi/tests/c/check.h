/* What the tests in C have in common. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uruk.h>

/* Ends the test with the place, unless the condition holds. */
#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      char message_[1024];                                                                          \
      uruk_last_message(message_, sizeof message_);                                                 \
      fprintf(stderr, "%s:%d: %s does not hold; last failure: %s\n", __FILE__, __LINE__, #condition, message_); \
      exit(1);                                                                                      \
    }                                                                                               \
  } while (0)

/* Ends the test unless the call succeeds. */
#define OK(call) CHECK((call) == URUK_OK)

/* Ends the test unless the call fails so, with a text that has this part. */
#define FAILS(status, part, call)                                        \
  do {                                                                   \
    char text_[1024];                                                    \
    CHECK((call) == (status));                                           \
    uruk_last_message(text_, sizeof text_);                              \
    if (strstr(text_, part) == NULL) {                                   \
      fprintf(stderr, "%s:%d: no \"%s\" in: %s\n", __FILE__, __LINE__, part, text_); \
      exit(1);                                                           \
    }                                                                    \
  } while (0)

/* A function of so many arguments at an address; C has no cast from one to the other. */
#define FUNCTION(type, pointer, address)                       \
  do {                                                         \
    uint64_t address_ = (address);                             \
    memcpy(&(pointer), &address_, sizeof address_);            \
  } while (0)

#endif
