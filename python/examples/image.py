"""An image: `image.py FILE SOURCE` compiles a source in C, links it for addresses of another process, and writes it to a file.

`run_image.py FILE` is that other process. It needs neither a compiler nor this package.
"""

import ctypes
import mmap
import struct
import sys

import uruk

#: Where it will be.
BASE = 0x200000000000
#: Entry and number of segments; of each segment its offset, its size, and its protection, as `mmap` has it.
HEADER, SEGMENT = struct.Struct("<8sQQ"), struct.Struct("<QQQ")


class Image(uruk.MemoryManager):
    """Bytes that are written here, and will be elsewhere. The first page is for the header."""

    def __init__(self):
        self.pages = mmap.mmap(-1, 1 << 20)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.used = mmap.PAGESIZE
        self.segments = []

    def span(self, low):
        return BASE, BASE + len(self.pages)

    def allocate(self, request):
        if self.segments:
            raise RuntimeError("an image is one batch")
        answers = []
        for segment in request.segments:
            offset, size = self.used, -(-segment.size // mmap.PAGESIZE) * mmap.PAGESIZE
            protection = mmap.PROT_READ | mmap.PROT_WRITE * segment.writable | mmap.PROT_EXEC * segment.executable
            self.segments.append((offset, size, protection))
            self.used += size
            answers.append((self.start + offset, BASE + offset))
        return answers

    def finalize(self, allocation):
        """Nothing: the bytes are written to the file at the end."""

    def save(self, path, entry):
        HEADER.pack_into(self.pages, 0, b"an image", entry, len(self.segments))
        for number, segment in enumerate(self.segments):
            SEGMENT.pack_into(self.pages, HEADER.size + number * SEGMENT.size, *segment)
        with open(path, "wb") as file:
            file.write(self.pages[: self.used])


def main(path, source):
    image = Image()
    with uruk.Jit(memory=image, link_only=True) as jit, open(source) as file:
        jit.add_c(file.read(), name=source)
        image.save(path, jit.address("compute"))


if __name__ == "__main__":
    main(*sys.argv[1:])
