"""The package as its users see it. `URUK_LIBRARY` names the library, or the package is installed."""

import array
import ctypes
import gc
import os
import subprocess
import sys
import unittest
import weakref

import uruk
from support import Case


def numpy_arrays():
    """The numbers from 0 to 5 in NumPy's arrays, if it is installed."""
    try:
        import numpy
    except ImportError:
        return []
    flat = numpy.arange(6, dtype=numpy.int32)
    return [flat, flat.reshape(2, 3)]


class Package(Case):
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

    def test_compilers_are_told_how(self):
        text = """
            int level(void) {
            #ifdef __OPTIMIZE__
                return LEVEL;
            #else
                return -LEVEL;
            #endif
            }
        """
        for optimize, level in ((uruk.Optimize.NONE, -7), (uruk.Optimize.MUCH, 7)):
            with uruk.Jit(optimize=optimize, compiler_flags=["-DLEVEL=7"]) as jit:
                jit.add_c(text)
                self.assertEqual(jit["level"](), level)

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
            # What NumPy's arrays are, too: buffers of numbers with dimensions.
            grid = memoryview(bytearray(array.array("i", range(6)))).cast("i", [2, 3])
            for numbers in (grid, (ctypes.c_int * 6)(*range(6)), *numpy_arrays()):
                self.assertEqual(jit["sum"](numbers, 6), 15)
            with self.assertRaises(TypeError):
                jit["sum"](memoryview(array.array("i", range(12)))[::2], 6)

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
            source = self.folder / "program.c"
            source.write_text("#include <string.h>\nint main(int n, char **words) { return n * 10 + (int)strlen(words[1]); }")
            jit.add_source_file(source)
            self.assertEqual(jit.run(), 25)

    def test_a_jit_that_was_closed_is_told(self):
        jit = uruk.Jit()
        jit.close()
        with self.assertRaises(uruk.Error) as caught:
            jit.address("f")
        self.assertIn("gone", str(caught.exception))

    def test_archives_and_libraries_are_searched(self):
        archive = self.folder / "libparts.a"
        parts = [self.object("part", "int part(void) { return 1; }"), self.object("other", "int other = 2;")]
        subprocess.run(["ar", "rcs", archive, *parts], check=True)
        with uruk.Jit(retain_graphs=True) as jit:
            jit.add_archive(archive.read_bytes(), name=archive)
            alone = jit.create_dylib("alone")
            alone.set_search_order(alone)
            alone.add_library(self.library("shared", "int shared(void) { return 3; }"))
            self.assertEqual((jit["part"](), alone["shared"]()), (1, 3))
            whole = jit.create_dylib("whole")
            whole.add_whole_archive(archive)
            whole.initialize()
            self.assertEqual([len(dylib.retained_graphs()) for dylib in (jit, whole)], [1, 2])
            whole.remove()
            self.assertEqual((jit.find_dylib("main"), jit.find_dylib("whole")), (jit, None))
            another = jit.create_dylib("another")
            self.assertEqual(another.addresses("loaded", weak=True), [0])
            jit.load_library(self.library("loaded", "int loaded(void) { return 4; }"))
            self.assertEqual(another["loaded"](), 4)
            with self.assertRaises(uruk.Error) as caught:
                whole.address("part")
            self.assertEqual(caught.exception.status, uruk.Status.GONE)

    def test_ir_is_compiled_by_the_plugin(self):
        with uruk.Jit() as jit:
            try:
                jit.add_ir("define i32 @three() { ret i32 3 }", name="three.ll")
            except uruk.Error as error:
                self.assertEqual(error.status, uruk.Status.UNSUPPORTED)
            else:
                self.assertEqual(jit["three"](), 3)

    def test_a_library_of_another_kind_is_refused(self):
        variables = os.environ | {"URUK_LIBRARY": str(self.library("older", "int uruk_abi_version(void) { return 0; }"))}
        done = subprocess.run([sys.executable, "-c", "import uruk"], env=variables, capture_output=True, text=True)
        self.assertRegex(done.stderr, "ImportError: the library is older than this package: it has no `uruk_")

    def test_a_jit_goes_with_its_last_reference(self):
        jit = uruk.Jit()
        kept = weakref.ref(jit)
        jit.add_generator(uruk.Resolver(lambda name: None))
        jit.add_c("int f(void) { return 42; }")
        f = jit["f"]
        del jit
        gc.collect()
        # Whoever has a function has its JIT.
        self.assertEqual((f(), kept() is None), (42, False))
        del f
        gc.collect()
        self.assertIsNone(kept())


if __name__ == "__main__":
    unittest.main()
