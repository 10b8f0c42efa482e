"""Worlds and images: a list that C code has is frozen, and goes on as a program."""

import ctypes
import subprocess
import unittest

import uruk
from support import Case
from uruk import Elements, ImageKind, Pointer, Status, Tagged

RUNTIME = r"""
#include <stdio.h>
struct record { struct record *next; long (*function)(long); FILE **stream; long number; };
extern struct record *records;
static int generation = 1;
static const char *greeting = "as compiled";
long square(long value) { return value * value; }
long cube(long value) { return value * value * value; }
void grow(void) { generation += 1; }
void greet(const char *text) { greeting = text; }
int main(void) {
    for (struct record *record = records; record; record = record->next)
        printf("%ld %ld %d\n", record->number, record->function(4), record->stream == &stdin);
    printf("generation %d, %c\n", generation, greeting[0]);
    return 7;
}
"""

EXPECTED = "2 16 1\n1 16 1\n0 64 1\ngeneration 2, a\n"


class Record(ctypes.Structure):
    """As in the runtime."""

    _fields_ = [("next", ctypes.c_uint64), ("function", ctypes.c_uint64), ("stream", ctypes.c_uint64), ("number", ctypes.c_uint64)]


def field(record, name):
    """Where a field of a record is."""
    return ctypes.addressof(record) + getattr(Record, name).offset


class Built:
    """A JIT with the runtime, and a world with three records, which are not added one by one if there is a heap."""

    def __init__(self, case, added=True):
        self.jit = uruk.Jit(retain_graphs=True)
        case.addCleanup(self.jit.close)
        self.head, self.records = ctypes.c_uint64(), (Record * 3)()
        self.jit.define("records", self.head)
        self.jit.add_file(case.object("runtime", RUNTIME, "-O1", "-ffunction-sections", "-fdata-sections"))
        self.jit.call("grow")
        self.world = uruk.World()
        pointers = {0: Pointer.REFERENCE, 8: Pointer.CODE, 16: Pointer.DATA}
        self.type = self.world.add_type("record", ctypes.sizeof(Record), pointers)
        self.world.add_cell("records", self.head, self.world.add_type("cell", 8, {0: Pointer.REFERENCE}))
        for number, record in enumerate(self.records):
            record.next, record.number = self.head.value, number
            record.function = self.jit.address("square" if number else "cube")
            record.stream = ctypes.addressof(ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stdin"))
            self.head.value = ctypes.addressof(record)
            if added:
                self.world.add_object(record, self.type)
            self.world.add_pointer(field(record, "stream"), "stdin")

    def image(self, kind=ImageKind.EXECUTABLE, **options):
        return uruk.Image(kind, jit=self.jit, world=self.world, roots=["records"], **options)

    def object_at(self, address):
        """The record that has an address."""
        start, size = ctypes.addressof(self.records), ctypes.sizeof(Record)
        offset = address - start
        return (address - offset % size, self.type) if 0 <= offset < ctypes.sizeof(self.records) else None


class Images(Case):
    def runs(self, image):
        path = self.folder / "image"
        image.save(path)
        done = subprocess.run([path], capture_output=True, text=True)
        self.assertEqual((done.stdout, done.stderr, done.returncode), (EXPECTED, "", 7))

    def refused(self, status, part, call, *arguments, **options):
        with self.assertRaises(uruk.Error) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status, status)
        self.assertIn(part, str(caught.exception))
        return caught.exception

    def test_what_was_built_goes_on_as_a_program(self):
        built = Built(self)
        with built.image() as image:
            self.runs(image)
            self.assertEqual(bytes(image), bytes(built.image()))
            self.assertIn(b"grow", bytes(image))
            self.assertIn(b"greeting", bytes(image))
            self.assertNotIn(b"greeting", bytes(built.image(strip=True)))
        libc = "/usr/lib/x86_64-linux-gnu/libc.so.6"
        fixed = built.image(address=0x800000, main="main", keep=["main"], libraries=[libc], short_relocations=False)
        self.runs(fixed)
        self.assertNotIn(b"grow", bytes(fixed))

    def test_code_and_data_are_frozen_as_libraries_and_objects(self):
        built = Built(self)
        path = self.folder / "librecords.so"
        built.image(ImageKind.SHARED_OBJECT, name="librecords.so", dylibs=[built.jit], run_path="/opt/lib").save(path)
        library = ctypes.CDLL(str(path))
        library.cube.restype, library.cube.argtypes = ctypes.c_long, [ctypes.c_long]
        self.assertEqual(library.cube(3), 27)
        first = Record.from_address(ctypes.c_uint64.in_dll(library, "records").value)
        self.assertEqual(first.number, 2)
        self.assertNotEqual(ctypes.addressof(first), built.head.value)
        made, linked = self.folder / "records.o", self.folder / "linked"
        built.image(ImageKind.OBJECT).save(made)
        subprocess.run(["gcc", made, "-o", linked], check=True)
        self.assertEqual(subprocess.run([linked], capture_output=True, text=True).stdout, EXPECTED)
        numbers, world = ctypes.c_uint64(42), uruk.World()
        world.add_cell("numbers", numbers, world.add_type("number", 8, constant=True))
        path = self.folder / "libnumbers.so"
        uruk.Image(ImageKind.SHARED_OBJECT, world=world, roots=["numbers"]).save(path)
        self.assertEqual(ctypes.c_uint64.in_dll(ctypes.CDLL(str(path)), "numbers").value, 42)

    def test_a_heap_is_asked_for_objects(self):
        built = Built(self, added=False)
        self.refused(Status.IMAGE, "records+0: 0x", built.image)
        self.runs(built.image(heap=built.object_at))

        def broken(address):
            raise LookupError(f"{address} of nobody")

        error = self.refused(Status.IMAGE, "records+0: 0x", built.world.trace, ["records"], broken)
        self.assertIsInstance(error.__cause__, LookupError)
        error = self.refused(Status.IMAGE, "records+0: 0x", built.image, heap=broken)
        self.assertIsInstance(error.__cause__, LookupError)

    def test_findings_are_told_and_allowed(self):
        built = Built(self)
        built.records[2].number = built.head.value
        built.jit.call("greet", built.head.value)
        error = self.refused(Status.IMAGE, "records+0 -> record+24: 0x", built.image)
        paths = [line.split(": 0x")[0] for line in str(error).splitlines()]
        self.assertEqual(len(paths), 2)
        with built.world.trace(["records"]) as closure:
            [finding] = closure.findings()
        self.assertEqual((finding.path, finding.value), (paths[0], built.head.value))
        self.assertTrue(finding.mapping)
        self.refused(Status.IMAGE, paths[1], built.image, allowed=paths[:1])
        built.image(allowed=paths).close()

    def test_what_roots_lead_to_is_known(self):
        built = Built(self)
        spare = Record()
        built.world.add_pointer(field(spare, "stream"), "stdin")
        closure = built.world.trace(["records"])
        self.assertEqual((closure.places, closure.bytes), (4, 8 + 3 * 32))
        self.assertEqual(closure.shares(), [uruk.Share("records", 4, 8 + 3 * 32)])
        self.assertEqual(closure.path(field(built.records[1], "number")), "records+0 -> record+0 -> record+24")
        self.assertIsNone(closure.path(spare))
        self.assertEqual((closure.findings(), closure.unused_entries()), ([], [field(spare, "stream")]))

    def test_entries_are_listed_and_lists_are_whole_or_nothing(self):
        world, records = uruk.World(), (Record * 4)()
        type = world.add_type("record", ctypes.sizeof(Record), {16: Pointer.DATA})
        self.refused(Status.INVALID, "objects[1]: ", world.add_objects, [(records[0], type), (records[1], 99)])
        world.add_objects([(record, type) for record in records])
        first, second, third, fourth = (field(record, "stream") for record in records)
        world.add_pointer(first, "stdin", addend=-8, version="V", weak=True)
        world.add_own_pointer(second, records[0])
        own = ctypes.addressof(records[0])
        expected = [uruk.Entry(first, "stdin", -8, "V", True, 0), uruk.Entry(second, None, 0, None, False, own)]
        self.assertEqual(world.pointers(), expected)
        self.refused(Status.DUPLICATE, "fields[1]: ", world.add_pointers, [(third, "stdin"), (first, "stdout")])
        self.refused(Status.INVALID, "relocations[0]: ", world.add_named, [(records[1], "second")], [(third, "a@b")])
        self.refused(Status.INVALID, "a name is empty", world.add_pointer, third, "")
        self.refused(Status.INVALID, "null", world.add_pointer, 0, "stdin")
        self.assertEqual(world.pointers(), expected)
        world.add_named([(records[1], "second")], [(third, "stdin")])
        world.add_pointers([(fourth, "stdout")], weak=True)
        self.refused(Status.DUPLICATE, "one of that name", world.export, "second", records[2])
        world.export("third", records[2])
        world.objects_moved([(ctypes.addressof(records[0]), ctypes.addressof(records[2]), ctypes.sizeof(Record))])
        self.assertEqual([entry.field for entry in world.pointers()], [second, third, fourth])
        world.remove_object(records[2])
        world.remove_pointer(fourth)
        self.refused(Status.MISSING, "has no entry", world.remove_pointer, fourth)
        self.assertEqual([entry.target for entry in world.pointers()], [ctypes.addressof(records[2])])

    def test_types_are_as_they_say(self):
        world = uruk.World()
        table, leaf = (ctypes.c_uint64 * 4)(2, 0, 0, 0), ctypes.c_uint64(5)
        tagged = Tagged(2, [1])
        type = world.add_type("table", 8, elements=Elements((0, 8), 8, {0: tagged}), constant=True)
        world.add_cell("table", table, type)
        world.add_object(leaf, world.add_type("leaf", 8))
        table[1], table[2] = ctypes.addressof(leaf) + 1, 6
        closure = world.trace(["table"])
        self.assertEqual((closure.places, closure.bytes), (2, 24 + 8))
        self.refused(Status.INVALID, "overlap", world.add_type, "t", 16, {0: Pointer.DATA, 4: Pointer.DATA}, packed=True)
        self.refused(Status.INVALID, "tag bits", world.add_type, "t", 16, {0: Tagged(7, [0])})
        self.refused(Status.INVALID, "no power of two", world.add_type, "t", 16, alignment=12)
        self.refused(Status.DUPLICATE, "one of that name", world.add_cell, "table", leaf, type)
        self.refused(Status.MISSING, "`nothing`", world.trace, ["nothing"])

    def test_mistakes_are_told_from_each_other(self):
        built = Built(self)
        with uruk.Jit() as jit:
            jit.add_c("int main(void) { return 0; }")
            jit.address("main")
            self.refused(Status.INVALID, "retain_graphs", uruk.Image, jit=jit)
        self.refused(Status.MISSING, "`nothing`", built.image, main="nothing")
        self.refused(Status.INVALID, "`name` has no meaning", built.image, name="program")
        self.refused(Status.INVALID, "an image of nothing", uruk.Image)
        self.refused(Status.FILE, "/nowhere", built.image().save, "/nowhere/at/all")


if __name__ == "__main__":
    unittest.main()
