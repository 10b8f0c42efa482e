// A round trip through deflate and inflate, with both checksums.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "zlib.h"

int main(void) {
    enum { SIZE = 1 << 20 };
    unsigned char *data = malloc(SIZE), *packed = malloc(SIZE * 2), *back = malloc(SIZE);
    unsigned state = 1;
    for (int i = 0; i < SIZE; i++) data[i] = (unsigned char)"the quick brown fox\n"[(state = state * 69069 + 1) >> 27 & 15];
    printf("crc %08lx adler %08lx\n", crc32(0, data, SIZE), adler32(1, data, SIZE));
    for (int level = 1; level <= 9; level += 4) {
        uLongf size = SIZE * 2, restored = SIZE;
        if (compress2(packed, &size, data, SIZE, level) != Z_OK) return 1;
        int status = uncompress(back, &restored, packed, size);
        printf("level %d: shrunk %d, status %d, same %d\n", level, size < SIZE, status, memcmp(data, back, SIZE) == 0);
    }
    packed[0] ^= 0xff;
    uLongf restored = SIZE;
    printf("damaged: %s\n", zError(uncompress(back, &restored, packed, 100)));
    return 0;
}
