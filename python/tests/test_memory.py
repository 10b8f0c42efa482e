"""Memory managers in Python, and the library's own."""

import ctypes
import gc
import mmap
import sys
import unittest
import weakref

import uruk
from support import Case


class Arena(uruk.MemoryManager):
    """Pages of one anonymous mapping, given out from its start."""

    each_object = True

    def __init__(self):
        self.pages = mmap.mmap(-1, 1 << 20)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.used = 0
        self.fail = None
        self.requests, self.live, self.released = [], set(), 0

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


class Memory(Case):
    def test_a_memory_manager_in_python(self):
        arena = Arena()
        jit = uruk.Jit(memory=arena)
        tracker = jit.create_tracker()
        objects = [self.object("a", "int b(int); int a(int x) { return b(x) + 1; }"), self.object("b", "static int two = 2; int b(int x) { return x * two; }")]
        jit.add_object_files(*objects, tracker=tracker)
        address = jit.address("a")
        self.assertTrue(arena.start <= address < arena.start + len(arena.pages))
        self.assertEqual(jit["a"](20), 41)
        self.assertEqual([request.objects for request in arena.requests], [[(str(path), "main")] for path in objects])
        text = [section for segment in arena.requests[0].segments for section in segment.sections if section.name == ".text"]
        self.assertEqual([(section.kind, section.object) for section in text], [(uruk.Kind.CODE, str(objects[0]))])
        tracker.remove()
        jit.quiesce()
        self.assertEqual((arena.live, arena.released), (set(), sum(segment.size for request in arena.requests for segment in request.segments)))
        arena.fail = RuntimeError("the arena is closed")
        jit.add_object_files(self.object("c", "int c(void) { return 1; }"))
        with self.assertRaises(uruk.Error) as caught:
            jit.address("c")
        self.assertIn("RuntimeError: the arena is closed", str(caught.exception))
        self.assertEqual(caught.exception.status, uruk.Status.CALLBACK)
        jit.close()

    def test_answers_that_cannot_be_used(self):
        class Wrong(Arena):
            spoiled = None

            def allocate(self, request):
                return self.spoiled(super().allocate(request))

        path = self.object("f", "int two = 2; int f(void) { return two; }")
        wrong = {
            uruk.Status.NULL: lambda places: [0] * len(places),
            uruk.Status.BAD_ALIGNMENT: lambda places: [place + 1 for place in places],
            uruk.Status.OVERLAP: lambda places: [places[0]] * len(places),
            uruk.Status.PAST_END: lambda places: [(1 << 64) - 8] * len(places),
        }
        for status, spoiled in wrong.items():
            with self.subTest(status=status):
                arena = Wrong()
                arena.spoiled = spoiled
                with uruk.Jit(memory=arena) as jit:
                    jit.add_file(path)
                    with self.assertRaises(uruk.Error) as caught:
                        jit.address("f")
                    self.assertEqual((caught.exception.status, arena.live), (status, set()))

    def test_stock_memory_and_wrong_options(self):
        with uruk.Jit(memory=uruk.StockMemory(low=True, strict=True), gc_sections=True) as jit:
            jit.add_file(self.object("f", "int f(void) { return 3; }"))
            self.assertLess(jit.address("f"), 1 << 31)
        with self.assertRaises(uruk.Error):
            uruk.StockMemory(low=True, at=(1 << 32, 1 << 20))
        with self.assertRaises(TypeError):
            uruk.Jit(no_such_option=True)

    def test_memory_that_is_only_laid_out(self):
        start = 5 << 40
        memory = uruk.LaidOutMemory(start, 1 << 20)
        path = self.object("f", "int two = 2; int *pointer = &two; int f(void) { return two; }")
        with self.assertRaisesRegex(uruk.Error, "LINK_ONLY"):
            uruk.Jit(memory=memory)
        with uruk.Jit(memory=memory, link_only=True) as jit:
            self.assertEqual(memory.runs(), [])
            jit.add_file(path)
            two, pointer, function = (jit.address(name) for name in ("two", "pointer", "f"))
            self.assertEqual(memory.read(two, 4), (2).to_bytes(4, sys.byteorder))
            self.assertEqual(memory.read(pointer, 8), two.to_bytes(8, sys.byteorder))
            (code,) = (run for run in memory.runs() if run.executable)
            self.assertEqual((code.kind, code.writable), (uruk.Kind.CODE, False))
            self.assertTrue(start <= code.address <= function < code.address + code.size)
            with self.assertRaises(uruk.Error) as caught:
                memory.read(start - 1, 1)
            self.assertEqual(caught.exception.status, uruk.Status.INVALID)
        self.assertEqual(memory.runs(), [])

    def test_the_manager_is_kept_as_long_as_its_jit(self):
        arena = Arena()
        kept, jit = weakref.ref(arena), uruk.Jit(memory=arena)
        del arena
        gc.collect()
        jit.add_file(self.object("f", "int f(void) { return 42; }"))
        self.assertEqual(jit["f"](), 42)
        jit.close()
        self.assertIsNone(kept())

    def test_two_jits_have_one_manager(self):
        arena = Arena()
        path = self.object("f", "int f(void) { return 42; }")
        with uruk.Jit(memory=arena) as one:
            one.add_file(path)
            with uruk.Jit(memory=arena) as other:
                other.add_file(path)
                self.assertEqual((one["f"](), other["f"]()), (42, 42))
        self.assertEqual(arena.live, set())

    def test_each_batch_has_an_object_of_its_own(self):
        gone = []

        class Pages(uruk.Batch):
            def __init__(self, manager, request):
                super().__init__(manager, request)
                self.names = [name for name, _ in request.objects]

            def allocate(self, request):
                return self.manager.arena.allocate(request)

            def deallocate(self, allocation):
                gone.append(self.names)

        class Manager(uruk.MemoryManager):
            batch = Pages

            def __init__(self):
                self.arena = Arena()

        made = []
        original = Pages.__init__

        def noted(self, manager, request):
            original(self, manager, request)
            made.append(weakref.ref(self))

        Pages.__init__ = noted
        with uruk.Jit(memory=Manager()) as jit:
            path = self.object("f", "int f(void) { return 42; }")
            tracker = jit.create_tracker()
            jit.add_object_files(path, tracker=tracker)
            self.assertEqual(jit["f"](), 42)
            self.assertIn(str(path), made[0]().names)
            tracker.remove()
            jit.quiesce()
            self.assertEqual((gone, made[0]()), ([[str(path)]], None))

    def test_memory_by_sections(self):
        class Sections(uruk.SectionMemory):
            def __init__(self):
                self.pages, self.used, self.seen, self.fail = mmap.mmap(-1, 1 << 20), 0, [], False
                self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))

            def give(self, size):
                at = self.used
                self.used = (at + size + mmap.PAGESIZE - 1) // mmap.PAGESIZE * mmap.PAGESIZE
                return self.start + at

            def allocate_code(self, size, alignment, name):
                if self.fail:
                    raise MemoryError("no more code")
                self.seen.append(name)
                return self.give(size)

            def allocate_data(self, size, alignment, name, read_only):
                self.seen.append((name, read_only))
                return self.give(size)

            def finalize(self):
                self.seen.append("final")
                whole = ctypes.c_void_p(self.start), ctypes.c_size_t(len(self.pages))
                if ctypes.CDLL(None).mprotect(*whole, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC):
                    raise OSError("the pages cannot be executed")

        sections = Sections()
        jit = uruk.Jit(memory=sections)
        jit.add_file(self.object("f", "int number = 2; const int constant = 40; int f(void) { return number + constant; }"))
        self.assertEqual(jit["f"](), 42)
        self.assertLessEqual({".text", (".data", False), "final"}, set(sections.seen))
        sections.fail = True
        jit.add_file(self.object("g", "int g(void) { return 1; }"))
        with self.assertRaises(uruk.Error) as caught:
            jit.address("g")
        self.assertIsInstance(caught.exception.__cause__, MemoryError)
        self.assertEqual(caught.exception.status, uruk.Status.MEMORY)
        del caught
        kept = weakref.ref(sections)
        del sections
        jit.close()
        gc.collect()
        self.assertIsNone(kept())


if __name__ == "__main__":
    unittest.main()
