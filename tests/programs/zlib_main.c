// A round trip through deflate and inflate, with both checksums, of 1 MiB or of as many KiB as the argument says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "zlib.h"

int main(int argc, char **argv) {
    size_t total = (size_t)(1 < argc ? atoi(argv[1]) : 1024) << 10;
    unsigned char *data = malloc(total), *packed = malloc(total * 2), *back = malloc(total);
    unsigned state = 1;
    for (size_t i = 0; i < total; i++) data[i] = (unsigned char)"the quick brown fox\n"[(state = state * 69069 + 1) >> 27 & 15];
    printf("crc %08lx adler %08lx\n", crc32(0, data, total), adler32(1, data, total));
    for (int level = 1; level <= 9; level += 4) {
        uLongf size = total * 2, restored = total;
        if (compress2(packed, &size, data, total, level) != Z_OK) return 1;
        int status = uncompress(back, &restored, packed, size);
        printf("level %d: shrunk %d, status %d, same %d\n", level, size < total, status, memcmp(data, back, total) == 0);
    }
    packed[0] ^= 0xff;
    uLongf restored = total;
    printf("damaged: %s\n", zError(uncompress(back, &restored, packed, 100)));
    return 0;
}
