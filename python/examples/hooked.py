"""Look-ups of one's own with the library's memory: `hooked.py OBJECT` links an object whose calls of `puts` come here."""

import ctypes
import sys

import uruk


def our_puts(text):
    print(f"[{text.decode()}]")
    return 0


def main(path):
    with uruk.Jit() as jit:
        hooks = {"puts": jit.callback(ctypes.c_int, ctypes.c_char_p)(our_puts)}
        # Asked for what the program lacks, before the process is.
        jit.add_resolver(hooks.get, name="the hook")
        jit.add_file(path)
        return jit.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
