"""An arena of one's own: `arena.py SOURCE` links a program in C into one mapping that this program has made, and runs it.

No page is ever writable and executable.
"""

import ctypes
import mmap
import sys

import uruk

LIBC = ctypes.CDLL(None, use_errno=True)


class Arena(uruk.MemoryManager):
    """Memory from one mapping, given out from its start, and not given back before the end."""

    def __init__(self, size):
        self.pages = mmap.mmap(-1, size)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.used = 0
        self.segments = {}

    def span(self, low):
        return self.start, self.start + len(self.pages)

    def allocate(self, request):
        places = []
        for segment in request.segments:
            places.append(self.start + self.used)
            self.used += -(-segment.size // mmap.PAGESIZE) * mmap.PAGESIZE
            print(f"{segment.kind.name.lower()} of {len(request.objects)} object(s), {', '.join(section.name for section in segment.sections)}")
        if len(self.pages) < self.used:
            raise MemoryError("the arena is full")
        self.segments[request.allocation] = list(zip(places, request.segments))
        return places

    def finalize(self, allocation):
        for address, segment in self.segments[allocation]:
            protection = mmap.PROT_READ
            protection |= mmap.PROT_WRITE if segment.writable else 0
            protection |= mmap.PROT_EXEC if segment.executable else 0
            if LIBC.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(segment.size), protection) != 0:
                raise OSError(ctypes.get_errno(), "the arena's pages cannot be protected")


def main(source):
    arena = Arena(1 << 20)
    with uruk.Jit(memory=arena) as jit:
        with open(source) as file:
            jit.add_c(file.read(), name=source)
        inside = arena.start <= jit.address("main") < arena.start + len(arena.pages)
        print("in the arena" if inside else "elsewhere")
        return jit.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
