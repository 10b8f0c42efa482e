"""A debugger sees what is linked: `gdb --args python3 debugged.py OBJECT NUMBER`, `break compute`, `run`.

The object is to be compiled with `-g`. With `debugger=True` debuggers are told of it although none was there when it was linked.
"""

import sys

import uruk


def main(path, number):
    with uruk.Jit(debugger=True) as jit:
        jit.add_file(path)
        print(jit["compute"](int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
