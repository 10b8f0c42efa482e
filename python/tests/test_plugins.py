"""Plugins and graphs, retained graphs, listeners."""

import ctypes
import gc
import unittest
import weakref

import uruk
from support import Case, constant, number_at
from uruk._library import library
from uruk import Binding, EdgeKind, Place, SectionKind, Status, SymbolType

PROGRAM = """
    int helper(int);
    static int table[] = {10, 20, 30};
    int *const where = table;
    int compute(int x) { return helper(x) + where[0]; }
    int dropped = 5;
    int unused(void) { return helper(1); }
"""
PHASES = ["pre_prune", "post_prune", "post_allocation", "pre_fixup", "post_fixup"]


class Watcher(uruk.Plugin):
    """Notes what it is called for."""

    name = "the watcher"

    def __init__(self, fail=None):
        self.calls, self.fail, self.error, self.late = [], fail, None, None

    def note(self, phase, object):
        self.calls.append(phase)
        self.object = object
        if self.fail == phase:
            raise RuntimeError(f"{phase} is closed")

    def pre_prune(self, object, graph):
        self.note("pre_prune", object)

    def post_prune(self, object, graph):
        self.note("post_prune", object)

    def post_allocation(self, object, graph):
        self.note("post_allocation", object)

    def pre_fixup(self, object, graph):
        self.note("pre_fixup", object)

    def post_fixup(self, object, graph):
        self.note("post_fixup", object)

    def linked(self, object, graph):
        self.late = graph
        self.note("linked", object)

    def failed(self, object, error):
        self.error = error
        self.note("failed", object)

    def removing(self, object):
        self.note("removing", object)


class Plugins(Case):
    def setUp(self):
        super().setUp()
        self.jit = uruk.Jit(retain_graphs=True)
        self.addCleanup(self.jit.close)
        self.jit.define("helper", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1))
        self.path = self.object("program", PROGRAM)
        self.tracker = self.jit.create_tracker()
        self.jit.add_object_files(self.path, tracker=self.tracker)

    def test_phases_come_in_order(self):
        watcher = Watcher()
        self.jit.add_plugin(watcher)
        self.assertEqual(self.jit["compute"](31), 42)
        self.assertEqual(watcher.calls, [*PHASES, "linked"])
        self.assertEqual((watcher.object.object, watcher.object.dylib), (str(self.path), "main"))
        with self.assertRaises(uruk.Error) as caught:
            list(watcher.late.symbols)
        self.assertEqual(caught.exception.status, Status.GONE)
        self.tracker.remove()
        self.jit.quiesce()
        self.assertEqual(watcher.calls[-1], "removing")

    def test_what_phases_raise_is_the_cause(self):
        for phase in PHASES:
            with uruk.Jit() as jit:
                watcher = Watcher(phase)
                jit.add_plugin(watcher)
                jit.add_c("int f(void) { return 1; }")
                with self.assertRaises(uruk.Error) as caught:
                    jit.address("f")
                self.assertEqual(str(caught.exception.__cause__), f"{phase} is closed")
                self.assertIn("the watcher", str(caught.exception))
                self.assertEqual(watcher.calls[-1], "failed")
                self.assertIs(watcher.error.__cause__, caught.exception.__cause__)

    def test_what_notices_raise_is_raised_by_the_next_call(self):
        self.jit.add_plugin(Watcher("linked"))
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("compute")
        self.assertEqual(str(caught.exception.__cause__), "linked is closed")
        self.assertEqual(self.jit["compute"](31), 42)

    def test_nothing_is_looked_up_in_a_phase(self):
        seen = []

        class Curious(uruk.Plugin):
            def post_prune(self, object, graph):
                try:
                    self.jit.address("helper")
                except uruk.Error as error:
                    seen.append(error.status)

        curious = Curious()
        curious.jit = self.jit
        self.jit.add_plugin(curious)
        self.jit.address("compute")
        self.assertEqual(seen, [Status.BUSY])

    def test_what_is_dropped_in_a_phase_is_let_go_of_afterwards(self):
        held = [uruk.Jit()]
        handle = held[0]._jit.value

        class Dropper(uruk.Plugin):
            def post_prune(self, object, graph):
                # Destroying it would wait, which nothing may do in here.
                held.clear()
                gc.collect()
                self.status = library.uruk_jit_set_arguments(handle, None, 0)

        dropper = Dropper()
        self.jit.add_plugin(dropper)
        self.jit.address("compute")
        self.assertEqual((held, dropper.status), ([], Status.BUSY))
        self.jit.initialize()
        self.assertEqual(library.uruk_jit_set_arguments(handle, None, 0), Status.GONE)

    def test_a_graph_is_walked(self):
        self.jit.address("compute")
        [graph] = self.jit.retained_graphs()
        self.assertEqual(graph.object, str(self.path))
        compute = graph["compute"]
        self.assertEqual((compute.place, compute.binding, compute.type), (Place.IN_BLOCK, Binding.GLOBAL, SymbolType.FUNCTION))
        self.assertEqual(compute.address, self.jit.address("compute"))
        self.assertEqual((compute.block.section.name, compute.block.section.kind), (".text", SectionKind.CODE))
        self.assertEqual(compute.address, compute.block.address + compute.value)
        names = {edge.target.name for edge in compute.block.edges}
        self.assertIn("helper", names)
        self.assertIn(compute.block, list(compute.block.section.blocks))
        self.assertIn("where", [symbol.name for symbol in graph.symbols])
        self.assertEqual((graph["helper"].place, graph["helper"].block), (Place.ELSEWHERE, None))
        self.assertIn(".text", [section.name for section in graph.sections])
        self.assertIsNone(graph.find("nobody"))
        with self.assertRaises(KeyError):
            graph["nobody"]
        with self.assertRaises(uruk.Error):
            compute.block.drop()
        self.assertEqual(len(compute.block.read(0, 4)), 4)
        graph.close()
        with self.assertRaises(uruk.Error):
            graph["compute"]

    def test_a_graph_is_changed(self):
        notes = []
        note = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(lambda *words: notes.append(words) or 0)
        self.jit.define("note", note)

        class Changer(uruk.Plugin):
            def pre_prune(self, object, graph):
                if graph.find("compute") is None:
                    return
                # A variable that the object does not have, and all calls of `helper` to another function.
                data = graph.add_section(".data.extra", SectionKind.DATA)
                block = data.add_block(constant(0), 4)
                block.replace(constant(1234) + bytes(4))
                block.alignment = 8
                data.retain()
                extra = graph.add_symbol("extra", block, size=4, binding=Binding.GLOBAL, type=SymbolType.OBJECT)
                zeros = graph.add_section(".bss.extra", SectionKind.ZERO).add_zero_block(8, 8)
                zeros.tie(block)
                pointer = data.add_block(bytes(8), 8)
                pointer.add_edge(0, EdgeKind.ABS64, extra, 2)
                graph.add_symbol("pointer", pointer, binding=Binding.GLOBAL, type=SymbolType.OBJECT)
                self.moved = graph["helper"].redirect(graph.external("other_helper"))
                graph["helper"].drop()
                graph["dropped"].drop()
                graph["unused"].move(graph["compute"].block, graph["compute"].value)
                graph.add_action((graph.external("note"), 7, (extra, 1)), (graph.external("note"), 9, extra))
                self.checks = (block.size, block.alignment, zeros.zero, data.retained, len(pointer.edges))
                spare = graph.add_section(".data.spare", SectionKind.DATA).add_block(bytes(16), 8)
                spare.add_edge(0, EdgeKind.ABS64, extra)
                spare.add_edge(8, EdgeKind.ABS64, extra)
                spare.edges[0].drop()
                [edge] = spare.edges
                edge.retarget(graph["compute"])
                self.edge = (edge.offset, edge.kind, spare.edges[0].target == graph["compute"])
                spare.drop()
                self.dropped = spare not in list(graph.blocks)

            def post_fixup(self, object, graph):
                block = graph["extra"].block
                self.before = block.read()
                block.write(constant(4321))

        changer = Changer()
        self.jit.add_plugin(changer)
        self.jit.define("other_helper", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x - 1))
        self.assertEqual(self.jit["compute"](31), 40)
        self.assertEqual(changer.moved, 2)
        with self.assertRaisesRegex(uruk.Error, "`dropped`.* was dropped"):
            self.jit.address("dropped")
        self.assertEqual(changer.checks, (8, 8, True, True, 1))
        self.assertEqual(changer.edge, (8, EdgeKind.ABS64, True))
        self.assertTrue(changer.dropped)
        self.assertEqual(changer.before, constant(1234) + bytes(4))
        extra, pointer = self.jit.addresses("extra", "pointer")
        self.assertEqual(number_at(extra), 4321)
        self.assertEqual(ctypes.c_uint64.from_address(pointer).value, extra + 2)
        self.assertEqual(self.jit.address("unused"), self.jit.address("compute"))
        self.assertEqual(notes, [(7, extra + 1)])
        self.tracker.remove()
        self.jit.quiesce()
        self.assertEqual(notes[1], (9, extra))

    def test_blocks_live_with_others_or_on_their_own(self):
        lives = {}

        class Adder(uruk.Plugin):
            def pre_prune(self, object, graph):
                for name in ("idle", "tied", "kept"):
                    graph.add_section(f".data.{name}", SectionKind.DATA).add_block(bytes(8), 8)
                sections = {section.name: section for section in graph.sections}
                next(sections[".data.tied"].blocks).tie(graph["compute"].block)
                sections[".data.kept"].retain()

            def post_prune(self, object, graph):
                for section in graph.sections:
                    lives[section.name.removeprefix(".data.")] = any(section.blocks)

        with uruk.Jit(gc_sections=True) as jit:
            jit.add_plugin(Adder())
            jit.define("helper", 1)
            jit.add_file(self.path)
            jit.address("compute")
        self.assertEqual([lives[name] for name in ("idle", "tied", "kept")], [False, True, True])

    def test_a_plugin_is_kept_as_long_as_its_jit(self):
        jit, watcher = uruk.Jit(), Watcher()
        kept = weakref.ref(watcher)
        jit.add_plugin(watcher)
        del watcher
        gc.collect()
        self.assertIsNotNone(kept())
        jit.close()
        self.assertIsNone(kept())


class Listeners(Case):
    def test_a_listener_is_told(self):
        loaded, freed = [], []

        class Listener(uruk.Listener):
            def loaded(self, object):
                loaded.append((object, object.debug_image()))

            def freed(self, id):
                freed.append(id)

        with uruk.Jit() as jit:
            jit.add_listener(Listener())
            tracker = jit.create_tracker()
            path = self.object("f", "int number = 1; int f(int x) { return x + number; }", "-g")
            jit.add_object_files(path, tracker=tracker)
            address = jit.address("f")
            [(object, image)] = loaded
            self.assertEqual((object.object, object.dylib), (str(path), "main"))
            symbols = {symbol.name: (symbol.address, symbol.kind) for symbol in object.symbols}
            self.assertEqual(symbols["f"], (address, SymbolType.FUNCTION))
            self.assertEqual(symbols["number"], (jit.address("number"), SymbolType.OBJECT))
            self.assertTrue(object.code <= address < object.code + object.code_size)
            self.assertTrue(image.startswith(b"\x7fELF") and b"debug_line" in image)
            with self.assertRaises(uruk.Error) as caught:
                object.debug_image()
            self.assertEqual(caught.exception.status, Status.GONE)
            self.assertEqual(freed, [])
            tracker.remove()
            jit.quiesce()
            self.assertEqual(freed, [object.id])

    def test_what_a_listener_raises_is_not_lost(self):
        class Listener(uruk.Listener):
            def loaded(self, object):
                raise ValueError("the listener is deaf")

            def freed(self, id):
                raise ValueError("and sleeps")

        jit = uruk.Jit()
        jit.add_listener(Listener())
        jit.add_c("int f(void) { return 42; }")
        with self.assertRaises(uruk.Error) as caught:
            jit.address("f")
        self.assertEqual(caught.exception.status, Status.CALLBACK)
        self.assertEqual(str(caught.exception), "`loaded` of a listener: ValueError: the listener is deaf")
        self.assertEqual(jit["f"](), 42)
        with self.assertRaisesRegex(uruk.Error, "and sleeps") as caught:
            jit.close()
        self.assertIsInstance(caught.exception.__cause__, ValueError)


if __name__ == "__main__":
    unittest.main()
