/* Look-ups of one's own with the library's memory: `hooked OBJECT` links an object whose calls of `puts` come here. */

#include <cstdio>
#include <uruk.hpp>

static int our_puts(const char *text) { return std::printf("[%s]\n", text); }

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: hooked OBJECT\n");
    return 1;
  }
  uruk::Jit jit = uruk::Jit::make().value();
  uruk::Dylib program = jit.main();
  /* Asked for what the program lacks, before the process is. */
  auto hook = [names = jit.names()](const uruk::Wanted &wanted) -> uruk::Result<void> {
    for (const uruk_wanted_name &name : wanted) {
      if (names.text(name.name) == "puts") return wanted.dylib().define("puts", our_puts);
    }
    return {};
  };
  program.add_generator(hook).value();
  program.add_file(argv[1]).value();
  return program.run().value();
}
