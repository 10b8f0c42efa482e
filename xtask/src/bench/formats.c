/* The entry, and functions that SQLite calls, so that nothing of the host is linked. None of it runs. */
#include "formats.h"

int sqlite3_initialize(void);

int _fltused;

int main(void) { return sqlite3_initialize(); }
int sqlite3_os_init(void) { return 0; }
int sqlite3_os_end(void) { return 0; }

void *malloc(size_t size) { return NULL; }
void *realloc(void *old, size_t size) { return NULL; }
void free(void *old) {}
void *memchr(const void *bytes, int byte, size_t size) { return NULL; }
void *memcpy(void *to, const void *from, size_t size) { return to; }
void *memmove(void *to, const void *from, size_t size) { return to; }
void *memset(void *to, int byte, size_t size) { return to; }
int memcmp(const void *one, const void *other, size_t size) { return 0; }
int strcmp(const char *one, const char *other) { return 0; }
int strncmp(const char *one, const char *other, size_t size) { return 0; }
size_t strlen(const char *text) { return 0; }
size_t strcspn(const char *text, const char *set) { return 0; }
size_t strspn(const char *text, const char *set) { return 0; }
char *strchr(const char *text, int byte) { return NULL; }
char *strrchr(const char *text, int byte) { return NULL; }
double fabs(double number) { return number; }
