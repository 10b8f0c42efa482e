// malloc and its family replaced by a bump allocator: every block of the program and of libc's functions comes from it.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(16) char heap[16 << 20];
static size_t used;
static long calls, foreign;

static int ours(void *p) { return (char *)p >= heap && (char *)p < heap + sizeof heap; }
static void *take(size_t align, size_t size) {
    size_t *block;
    used = (used + 16 + align - 1) & ~(align - 1);
    if (used + size > sizeof heap) {
        errno = ENOMEM;
        return NULL;
    }
    block = (size_t *)(heap + used);
    block[-1] = size;
    used += (size + 15) & ~(size_t)15;
    calls++;
    return block;
}
void *malloc(size_t size) { return take(16, size); }
void *memalign(size_t align, size_t size) { return take(align < 16 ? 16 : align, size); }
void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size) { return (*out = memalign(align, size)) ? 0 : ENOMEM; }
void *calloc(size_t n, size_t size) { return memset(malloc(n * size), 0, n * size); }
void free(void *p) { foreign += p != NULL && !ours(p); }
void *realloc(void *p, size_t size) {
    void *fresh = malloc(size);
    if (p && ours(p)) memcpy(fresh, p, ((size_t *)p)[-1] < size ? ((size_t *)p)[-1] : size);
    return fresh;
}
size_t malloc_usable_size(void *p) { return p ? ((size_t *)p)[-1] : 0; }

int main(void) {
    char *mine = malloc(10), *copy = strdup("from libc's strdup"), *line = NULL;
    size_t room = 0;
    printf("mine %d, strdup %d, counted %d\n", ours(mine), ours(copy), calls >= 2);
    printf("getline %d: %s", getline(&line, &room, stdin) > 0 && ours(line), line);
    copy = realloc(copy, 1000);
    printf("%s, foreign %ld\n", copy, foreign);
    free(copy);
    free(line);
    return 0;
}
