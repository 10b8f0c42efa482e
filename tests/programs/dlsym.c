// The program's own symbols and the libraries' are found by dlsym; a missing one is not; dladdr knows what a function is called.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int own_function(int x) { return x * 3; }
int own_data = 12;

int main(void) {
    int (*found)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "own_function");
    int *data = dlsym(RTLD_DEFAULT, "own_data");
    void *self = dlopen(NULL, RTLD_NOW);
    Dl_info info = {0};
    printf("function %d %d\n", found == own_function, found ? found(4) : -1);
    printf("data %d, self %d\n", data == &own_data, self != NULL && dlsym(self, "own_data") == (void *)&own_data);
    printf("puts %d, missing %d\n", dlsym(RTLD_DEFAULT, "puts") == (void *)puts, dlsym(RTLD_DEFAULT, "no_such_name") == NULL);
    printf("dladdr %d\n", dladdr((void *)own_function, &info) && info.dli_sname && strcmp(info.dli_sname, "own_function") == 0);
    return 0;
}
