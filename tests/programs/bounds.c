// __start_ and __stop_ symbols bound a section that several objects fill; a section that nobody has is empty.
#include <stdio.h>

struct entry { const char *name; int (*call)(int); };
static int plus(int x) { return x + 1; }
__attribute__((section("entries"), used)) static const struct entry one = {"plus", plus};
extern const struct entry __start_entries[], __stop_entries[];
extern const char __start_nobody[] __attribute__((weak)), __stop_nobody[] __attribute__((weak));

int main(void) {
    printf("%d entries\n", (int)(__stop_entries - __start_entries));
    for (const struct entry *e = __start_entries; e < __stop_entries; e++) printf("%s %d\n", e->name, e->call(20));
    printf("nobody %d\n", __start_nobody == __stop_nobody);
    return 0;
}
