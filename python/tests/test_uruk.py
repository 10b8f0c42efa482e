"""The package as its users see it. `URUK_LIBRARY` names the library, or the package is installed."""

import array
import ctypes
import mmap
import subprocess
import tempfile
import unittest
from pathlib import Path

import uruk
from uruk import memory


def compile_c(folder, name, text):
    source, target = Path(folder, f"{name}.c"), Path(folder, f"{name}.o")
    source.write_text(text)
    subprocess.run(["gcc", "-c", "-fPIC", source, "-o", target], check=True)
    return target


class Arena(memory.MemoryManager):
    """Pages of one anonymous mapping, given out from its start."""

    each_object = True

    def __init__(self):
        self.pages = mmap.mmap(-1, 1 << 20)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.used = 0
        self.fail = None
        self.requests, self.live, self.released = [], set(), 0
        super().__init__()

    def span(self, low):
        return self.start, self.start + len(self.pages)

    def allocate(self, request):
        if self.fail:
            raise self.fail
        self.requests.append(request)
        self.live.add(request.allocation)
        places = []
        for segment in request.segments:
            align = max(segment.alignment, mmap.PAGESIZE)
            self.used = (self.used + align - 1) // align * align
            places.append(self.start + self.used)
            self.used += segment.size
        return places

    def release(self, allocation, address, size):
        self.released += size

    def deallocate(self, allocation):
        self.live.remove(allocation)


class Package(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def object(self, name, text):
        return compile_c(self.folder.name, name, text)

    def test_objects_are_called(self):
        with uruk.Jit() as jit:
            jit.add_file(self.object("f", "int f(int x) { return x + 1; } double half(double x) { return x / 2; }"))
            self.assertEqual(jit["f"](41), 42)
            half = jit["half"]
            half.restype = ctypes.c_double
            self.assertEqual(half(5.0), 2.5)
            self.assertEqual(jit.function("f", ctypes.c_int, [ctypes.c_int])(-5), -4)
            self.assertEqual(jit.call("f", 1), 2)
            with self.assertRaises(OverflowError):
                jit["f"](1 << 64)

    def test_sources_are_texts(self):
        with uruk.Jit() as jit:
            jit.add_c("int f(int x) { return x + 1; }")
            self.assertEqual(jit["f"](41), 42)
            jit.add_cpp('#include <string>\nextern "C" int g() { return std::to_string(1234).size(); }')
            self.assertEqual(jit["g"](), 4)
            with self.assertRaises(uruk.Error) as caught:
                jit.add_c("int broken(", name="broken.c")
                jit.address("broken")
            self.assertIn("broken.c", str(caught.exception))

    def test_buffers_and_texts_are_passed(self):
        text = """
            int sum(const int *numbers, long count) { int s = 0; while (count--) s += *numbers++; return s; }
            void fill(unsigned char *bytes, long count, int value) { while (count--) *bytes++ = value; }
            int length(const char *text) { int n = 0; while (*text++) n++; return n; }
            int is_null(void *p) { return p == 0; }
        """
        with uruk.Jit() as jit:
            jit.add_object(self.object("buffers", text).read_bytes(), name="buffers.o")
            self.assertEqual(jit["sum"](array.array("i", [1, 2, 3]), 3), 6)
            written = bytearray(5)
            jit["fill"](written, 5, 7)
            self.assertEqual(written, b"\7" * 5)
            self.assertEqual((jit["length"]("süß"), jit["length"](b"abc")), (5, 3))
            self.assertEqual((jit["is_null"](None), jit["is_null"](bytearray())), (1, 1))
            with self.assertRaises(TypeError):
                jit["sum"](memoryview(b"1234"), 1)
            try:
                import numpy
            except ImportError:
                return
            self.assertEqual(jit["sum"](numpy.arange(5, dtype=numpy.int32), 5), 10)

    def test_dylibs_find_each_other(self):
        with uruk.Jit() as jit:
            other = jit.create_dylib("other")
            self.assertEqual((other.name, jit.name, jit.find_dylib("none")), ("other", "main", None))
            other.add_object_files(self.object("base", "int base(void) { return 40; } int twice(void) { return 80; }"))
            jit.add_object_files(self.object("top", "int base(void); int py(int); int top(void) { return base() + py(1); }"))
            jit.link_against(other)
            jit.define("py", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1))
            self.assertEqual(jit["top"](), 42)
            jit.alias("eighty", "twice")
            self.assertEqual(jit.address("eighty"), other.address("twice"))
            lazy = jit.create_dylib("lazy")
            lazy.lazy_reexport(other, "twice")
            self.assertEqual(lazy["twice"](), 80)
            lazy.set_search_order(lazy, (other, False))
            self.assertEqual(lazy.addresses("base", "nobody", weak=True), [other.address("base"), 0])
            other.clear()
            with self.assertRaises(uruk.Error):
                other.address("base")

    def test_what_is_missing_is_named(self):
        with uruk.Jit() as jit:
            jit.add_file(self.object("needs", "int base(void); int needs(void) { return base(); }"))
            with self.assertRaises(uruk.Error) as caught:
                jit.address("needs")
            self.assertIn("`base`", str(caught.exception))
            self.assertEqual(caught.exception.status, 15)

    def test_trackers_remove(self):
        with uruk.Jit() as jit:
            tracker = jit.create_tracker()
            clif = "function %cube(i64) -> i64 system_v {\nblock0(v0: i64):\n  v1 = imul v0, v0\n  v2 = imul v1, v0\n  return v2\n}\n"
            jit.add_clif(clif, tracker=tracker)
            self.assertEqual(jit["cube"](3), 27)
            before = jit.memory_statistics()["live"][0]
            tracker.remove()
            jit.quiesce()
            self.assertLess(jit.memory_statistics()["live"][0], before)
            with self.assertRaises(uruk.Error):
                jit.address("cube")
            tracker.close()

    def test_programs_run(self):
        with uruk.Jit(lazy=True) as jit:
            jit.set_arguments("program", "seven")
            source = Path(self.folder.name, "program.c")
            source.write_text("#include <string.h>\nint main(int n, char **words) { return n * 10 + (int)strlen(words[1]); }")
            jit.add_source_file(source)
            self.assertEqual(jit.run(), 25)

    def test_a_memory_manager_in_python(self):
        arena = Arena()
        jit = uruk.Jit(memory=arena)
        arena.close()
        tracker = jit.create_tracker()
        objects = [self.object("a", "int b(int); int a(int x) { return b(x) + 1; }"), self.object("b", "static int two = 2; int b(int x) { return x * two; }")]
        jit.add_object_files(*objects, tracker=tracker)
        address = jit.address("a")
        self.assertTrue(arena.start <= address < arena.start + len(arena.pages))
        self.assertEqual(jit["a"](20), 41)
        self.assertEqual([request.objects for request in arena.requests], [[(str(path), "main")] for path in objects])
        text = [section for segment in arena.requests[0].segments for section in segment.sections if section.name == ".text"]
        self.assertEqual([(section.kind, section.object) for section in text], [(memory.CODE, str(objects[0]))])
        tracker.remove()
        jit.quiesce()
        self.assertEqual((arena.live, arena.released), (set(), sum(segment.size for request in arena.requests for segment in request.segments)))
        arena.fail = RuntimeError("the arena is closed")
        jit.add_object_files(self.object("c", "int c(void) { return 1; }"))
        with self.assertRaises(uruk.Error) as caught:
            jit.address("c")
        self.assertIn("RuntimeError: the arena is closed", str(caught.exception))
        jit.close()

    def test_stock_memory_and_wrong_options(self):
        with uruk.Jit(memory=memory.StockMemory(low=True, strict=True), gc_sections=True) as jit:
            jit.add_file(self.object("f", "int f(void) { return 3; }"))
            self.assertLess(jit.address("f"), 1 << 31)
        with self.assertRaises(uruk.Error):
            memory.StockMemory(low=True, at=(1 << 32, 1 << 20))
        with self.assertRaises(TypeError):
            uruk.Jit(no_such_option=True)

    def test_a_jit_that_was_closed_is_told(self):
        jit = uruk.Jit()
        jit.close()
        with self.assertRaises(uruk.Error) as caught:
            jit.address("f")
        self.assertIn("gone", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
