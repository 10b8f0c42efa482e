"""Images that are mapped: a list of this process goes on in them, and what has changed since in others."""

import ctypes
import gc
import unittest

import uruk
from support import Case
from uruk import ImageKind, Pointer, Status, SymbolType

CODE = r"""
struct node { struct node *next; long (*function)(long); };
extern struct node *nodes;
extern long reported __attribute__((weak));
static long calls;
__attribute__((constructor)) static void begin(void) { reported += 1; }
__attribute__((destructor)) static void end(void) { reported += 100; }
long twice(long value) { return 2 * value; }
long next(void) { return ++calls; }
void push(struct node *node) { node->next = nodes, nodes = node; }
long sum(long value) {
    long sum = 0;
    for (struct node *node = nodes; node; node = node->next) sum += node->function(value);
    return sum;
}
int main(int count, char **words) { return count * 10 + words[count - 1][0] - '0'; }
"""

MORE = "long sum(long); long next(void); long thrice(long value) { return 3 * value; } long all(long value) { return sum(value) + next(); }"

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


class Node(ctypes.Structure):
    """As in the code."""

    _fields_ = [("next", ctypes.c_uint64), ("function", ctypes.c_uint64)]


def world_of(nodes, node, size=ctypes.sizeof(Node)):
    """A world that has the list, of nodes with so many bytes."""
    world = uruk.World()
    type = world.add_type("node", size, {0: Pointer.REFERENCE, 8: Pointer.CODE})
    world.add_object(node, type)
    world.add_cell("nodes", nodes, world.add_type("cell", 8, {0: Pointer.REFERENCE}))
    return world


class Mapped(Case):
    def setUp(self):
        super().setUp()
        self.reported, self.path = ctypes.c_long(), self.folder / "first"
        nodes, node = ctypes.c_uint64(), Node()
        nodes.value = ctypes.addressof(node)
        with uruk.Jit(retain_graphs=True) as jit:
            jit.define("nodes", nodes)
            jit.define("reported", self.reported)
            jit.add_file(self.object("code", CODE, "-O1"))
            node.function = jit.address("twice")
            options = {"main": "main", "stamp": "runtime 1", "stamp_layout": True, "same_builds": True, "libraries": [LIBC]}
            image = uruk.Image(ImageKind.MAPPED, jit=jit, world=world_of(nodes, node), roots=["nodes"], **options)
            image.save(self.path)
        self.reported.value = 0

    def find(self, name):
        return self.reported if name == "reported" else None

    def load(self, path=None, **options):
        image = uruk.Mapped(path or self.path, find=self.find, **options)
        self.addCleanup(image.close)
        return image

    def refused(self, status, part, call, *arguments, **options):
        with self.assertRaises(uruk.Error) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status, status)
        self.assertIn(part, str(caught.exception))
        return caught.exception

    def test_images_are_used_and_unloaded(self):
        one, two = self.load(arguments=["program", "one", "5"]), self.load()
        self.assertEqual(self.reported.value, 2)
        self.assertNotEqual(one.range, two.range)
        self.assertEqual([one["sum"](4), two["sum"](5)], [8, 10])
        self.assertEqual([one["next"](), one["next"](), two["next"]()], [1, 2, 1])
        self.assertEqual(one.run(), 35)
        [twice] = [symbol for symbol in one.symbols() if symbol.name == "twice"]
        self.assertEqual((twice.address, twice.kind), (one.address("twice"), SymbolType.FUNCTION))
        self.assertIn(twice.address, one.range)
        self.refused(Status.MISSING, "defines no `nothing`", one.address, "nothing")
        two.close()
        self.assertEqual((self.reported.value, one["next"]()), (102, 3))
        self.refused(Status.GONE, "gone", two.run)
        with self.load():
            pass
        self.assertEqual(self.reported.value, 203)

    def test_images_are_refused_where_they_do_not_belong(self):
        node = Node()
        same, other = world_of(ctypes.c_uint64(), node), world_of(ctypes.c_uint64(), node, 24)
        self.refused(Status.STALE, "stamped `runtime 1`", self.load, stamp="runtime 2")
        self.refused(Status.STALE, "laid out differently", self.load, stamp="runtime 1", world=other)
        self.load(stamp="runtime 1", world=same)
        truncated = self.folder / "truncated"
        truncated.write_bytes(self.path.read_bytes()[:1000])
        self.refused(Status.LINK, "1000 bytes", self.load, truncated)
        self.refused(Status.LINK, "no image of Uruk's", self.load, LIBC)
        self.refused(Status.FILE, "/nowhere", self.load, "/nowhere")
        self.refused(Status.INVALID, "`stamp` has no meaning", uruk.Image, stamp="runtime")

    def test_what_nobody_defines_is_missing(self):
        path, libraries = self.folder / "asks", [self.library("answers", "int answer(void) { return 1; }")]
        answers = ctypes.CDLL(str(libraries[0]), mode=ctypes.RTLD_LOCAL)
        with uruk.Jit(retain_graphs=True) as jit:
            jit.define("answer", answers.answer)
            jit.add_c("int answer(void); int ask(void) { return answer() + 1; }")
            jit.address("ask")
            # Those that this process has loaded.
            uruk.Image(ImageKind.MAPPED, jit=jit).save(path)
        self.refused(Status.MISSING, "`answer`", uruk.Mapped, path)

        def broken(name):
            raise LookupError(f"{name} of nobody")

        error = self.refused(Status.MISSING, "`answer`", uruk.Mapped, path, find=broken)
        self.assertIsInstance(error.__cause__, LookupError)
        image = uruk.Mapped(path, find={"answer": answers.answer}.get)
        self.assertEqual(image["ask"](), 2)
        self.refused(Status.MISSING, "no function to begin with", image.run)

    def test_what_has_changed_is_in_another_image(self):
        second, added = self.folder / "second", Node()
        image = self.load()
        with uruk.Jit(retain_graphs=True) as jit:
            image.define(jit)
            jit.add_c(MORE)
            added.function = jit.address("thrice")
            world = world_of(image.address("nodes"), added)
            image["push"](ctypes.pointer(added))
            world.add_object(added.next, 1)
            uruk.Image(ImageKind.MAPPED, jit=jit, world=world, roots=["nodes"], base=image, libraries=[LIBC]).save(second)
        self.refused(Status.STALE, "load that one first", self.load, second)
        fresh = self.load()
        on = self.load(second, base=fresh)
        before = self.reported.value
        fresh.close()
        self.assertEqual((self.reported.value, on["all"](4)), (before, 4 * 3 + 4 * 2 + 1))
        on.close()
        self.assertEqual(self.reported.value, before + 100)

    def test_a_jit_has_what_it_is_linked_against(self):
        with uruk.Jit() as jit:
            uruk.Mapped(self.path, find=self.find).define(jit)
            gc.collect()
            jit.add_c(MORE)
            self.assertEqual((jit["all"](4), self.reported.value), (8 + 1, 1))
        gc.collect()
        self.assertEqual(self.reported.value, 101)

    def test_images_are_described_and_compared(self):
        self.assertIn("stamp: runtime 1\n", uruk.describe(self.path))
        self.assertEqual(uruk.differences(self.path, self.path), [])
        self.assertTrue(uruk.differences(self.path, LIBC)[0].startswith("kind: mappable image for x86_64 -> "))
        self.refused(Status.FILE, "/nowhere", uruk.describe, "/nowhere")


if __name__ == "__main__":
    unittest.main()
