"""Runs an image that `image.py` has made: `run_image.py FILE NUMBER…` maps the file and calls its function with each number."""

import ctypes
import mmap
import os
import struct
import sys

BASE = 0x200000000000
HEADER, SEGMENT = struct.Struct("<8sQQ"), struct.Struct("<QQQ")
MAP_FIXED_NOREPLACE = 0x100000

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]


def load(path):
    """Maps an image where it belongs, and returns its function."""
    with open(path, "rb") as file:
        header = file.read(mmap.PAGESIZE)
        mark, entry, count = HEADER.unpack_from(header)
        if mark != b"an image":
            raise ValueError(f"{path} is no image")
        for number in range(count):
            offset, size, protection = SEGMENT.unpack_from(header, HEADER.size + number * SEGMENT.size)
            flags = mmap.MAP_PRIVATE | MAP_FIXED_NOREPLACE
            if LIBC.mmap(BASE + offset, size, protection, flags, file.fileno(), offset) != BASE + offset:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(entry)


if __name__ == "__main__":
    compute = load(sys.argv[1])
    print(*(compute(int(number)) for number in sys.argv[2:]))
