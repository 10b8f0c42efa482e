/* GDB on: `gdb --args debugged OBJECT` sees the functions, files and lines of an object that was compiled with `-g`; say
 * `set breakpoint pending on` and `break compute` before `run`. */

#include <cstdio>
#include <uruk.hpp>

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: debugged OBJECT\n");
    return 1;
  }
  uruk::Options options;
  /* For a debugger that comes later, too. Without this, one that is there from the start sees everything all the same. */
  options.flags = URUK_JIT_DEBUGGER;
  uruk::Jit jit = uruk::Jit::make(options).value();
  jit.main().add_file(argv[1]).value();
  auto compute = jit.main().function<int(int)>("compute").value();
  std::printf("%d\n", compute(20));
  return 0;
}
