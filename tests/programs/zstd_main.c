// A round trip of 8 MiB of compressible pseudo-random text, in one piece and as a stream; an argument asks for that many KiB instead.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "zstd.h"

static size_t total = 8 << 20;

static uint64_t checksum(const unsigned char *data, size_t size) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ data[i]) * 1099511628211u;
    return hash;
}

static void fill(unsigned char *data) {
    uint32_t state = 12345;
    for (size_t i = 0; i < total;) {
        state = state * 1664525u + 1013904223u;
        size_t length = 4 + (state >> 28), back = 1 + ((state >> 8) & 0xffff);
        for (size_t j = 0; j < length && i < total; j++, i++)
            data[i] = (state & 1) && back <= i ? data[i - back] : (unsigned char)('a' + ((state >> (j % 24)) & 15));
    }
}

int main(int argc, char **argv) {
    if (1 < argc) total = (size_t)atoi(argv[1]) << 10;
    size_t bound = ZSTD_compressBound(total);
    unsigned char *data = malloc(total), *packed = malloc(bound), *back = malloc(total);
    if (!data || !packed || !back) return 1;
    fill(data);
    printf("input %016llx\n", (unsigned long long)checksum(data, total));
    for (int level = 1; level <= 3; level += 2) {
        size_t size = ZSTD_compress(packed, bound, data, total, level);
        if (ZSTD_isError(size)) return 2;
        memset(back, 0, total);
        size_t restored = ZSTD_decompress(back, total, packed, size);
        printf("level %d: %zu bytes, packed %016llx, same %d\n", level, size,
               (unsigned long long)checksum(packed, size), restored == total && memcmp(data, back, total) == 0);
    }
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_inBuffer in = {data, total, 0};
    ZSTD_outBuffer out = {packed, bound, 0};
    size_t left = ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
    ZSTD_freeCCtx(context);
    printf("stream: left %zu, %zu bytes\n", left, out.pos);
    packed[out.pos - 1] ^= 1;
    printf("damaged: %s\n", ZSTD_getErrorName(ZSTD_decompress(back, total, packed, out.pos)));
    return 0;
}
