/* What SQLite needs of a C library, for targets whose headers are not installed. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define INFINITY __builtin_inf()

typedef struct FILE FILE;
typedef long time_t;
struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
};

void *malloc(size_t), *realloc(void *, size_t), free(void *);
void *memchr(const void *, int, size_t), *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t), *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t), strcmp(const char *, const char *);
int strncmp(const char *, const char *, size_t), atoi(const char *);
size_t strlen(const char *), strcspn(const char *, const char *), strspn(const char *, const char *);
char *strchr(const char *, int), *strrchr(const char *, int), *getenv(const char *);
double fabs(double);
time_t time(time_t *);
