// An instrumented object: its counters are written to the file that LLVM_PROFILE_FILE names.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int __llvm_profile_write_file(void);
// Pulls the runtime's start-up code out of its archive; clang's driver does the same with -u.
extern int __llvm_profile_runtime;
int *keep_runtime = &__llvm_profile_runtime;
static int work(int n) { return n < 2 ? n : work(n - 1) + work(n - 2); }

int main(void) {
    struct stat file = {0};
    const char *path = getenv("LLVM_PROFILE_FILE");
    printf("work %d\n", work(15));
    printf("written %d\n", __llvm_profile_write_file());
    printf("there %d\n", path && stat(path, &file) == 0 && file.st_size > 100);
    return 0;
}
