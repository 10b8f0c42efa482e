"""Units, and what becomes of their responsibilities."""

import ctypes
import gc
import threading
import unittest
import weakref

import uruk
from support import Case, constant, number_at
from uruk import Definition, Kind, Status


def define(responsibility, **numbers):
    responsibility.resolve({name: responsibility.write(constant(number), Kind.RODATA, 4) for name, number in numbers.items()})


class Units(Case):
    def setUp(self):
        super().setUp()
        self.jit = uruk.Jit()
        self.addCleanup(self.jit.close)

    def test_a_unit_is_made_when_it_is_asked_for(self):
        made = []

        class Answer(uruk.Unit):
            name = "the answer"

            def materialize(self, responsibility):
                made.append((responsibility.name, responsibility.dylib, responsibility.owed()))
                define(responsibility, answer=42)
                responsibility.emit()

        self.jit.define_unit(Answer({"answer": Definition.VARIABLE}))
        self.assertEqual(made, [])
        self.assertEqual([number_at(self.jit.address("answer")) for _ in range(2)], [42, 42])
        self.assertEqual(made, [("the answer", self.jit, ["answer"])])

    def test_a_unit_is_an_object_or_a_function_of_python(self):
        data = self.object("compute", "int compute(int x) { return x + 2; }").read_bytes()
        self.jit.define_unit(uruk.Unit(["compute"], lambda responsibility: responsibility.link(data, name="compute.o")))
        self.assertEqual(self.jit["compute"](40), 42)

        def materialize(responsibility):
            responsibility.resolve({"twice": ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: 2 * x)})
            responsibility.emit()

        self.jit.define_unit(uruk.Unit(["twice"], materialize))
        gc.collect()
        self.assertEqual(self.jit["twice"](21), 42)

    def test_a_unit_is_compiled(self):
        sources = {
            "c": ("in_c", "int in_c(int x) { return x + 2; }"),
            "clif": ("in_clif", "function %in_clif(i64) -> i64 system_v {\nblock0(v0: i64):\n  v1 = iadd v0, v0\n  return v1\n}\n"),
        }
        for language, (name, source) in sources.items():
            self.jit.define_unit(uruk.Unit([name], lambda one, words=(language, source): one.compile(*words, name="a source")))
        self.assertEqual((self.jit["in_c"](40), self.jit["in_clif"](21)), (42, 42))
        self.jit.define_unit(uruk.Unit(["broken"], lambda one: one.compile("c", "int broken(", name="broken.c")))
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("broken")
        self.assertEqual((caught.exception.status, "broken.c" in str(caught.exception)), (Status.COMPILE, True))

    def test_what_is_raised_is_the_cause_each_time(self):
        class Strike(Exception):
            pass

        def materialize(responsibility):
            raise Strike("the maker is on strike")

        self.jit.define_unit(uruk.Unit(["strike"], materialize, name="the maker"))
        for _ in range(2):
            with self.assertRaises(uruk.Error) as caught:
                self.jit.address("strike")
            self.assertIsInstance(caught.exception.__cause__, Strike)
            self.assertEqual(caught.exception.status, Status.COMPILE)
            self.assertIn("Strike: the maker is on strike", str(caught.exception))
            self.assertTrue(str(caught.exception).isprintable(), ascii(str(caught.exception)))
        self.jit.define_unit(uruk.Unit(["reason"], lambda responsibility: responsibility.fail("no steel")))
        with self.assertRaisesRegex(uruk.Error, "no steel"):
            self.jit.address("reason")
        self.jit.define_unit(uruk.Unit(["nothing"], lambda responsibility: None))
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("nothing")
        self.assertEqual(caught.exception.status, Status.REMOVED)

    def test_a_wish_to_end_the_program_goes_through(self):
        def materialize(responsibility):
            raise KeyboardInterrupt

        self.jit.define_unit(uruk.Unit(["interrupted"], materialize))
        with self.assertRaises(KeyboardInterrupt):
            self.jit.address("interrupted")

    def test_what_is_raised_afterwards_is_not_lost(self):
        def materialize(responsibility):
            define(responsibility, done=1)
            responsibility.emit()
            raise ValueError("too late")

        self.jit.define_unit(uruk.Unit({"done": Definition.VARIABLE}, materialize))
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("done")
        self.assertEqual([str(cause) for cause in caught.exception.causes], ["too late"])
        self.assertEqual(number_at(self.jit.address("done")), 1)

        def materialize_and_look(responsibility):
            define(responsibility, looks=1)
            responsibility.emit()
            self.jit.address("nobody")

        self.jit.define_unit(uruk.Unit({"looks": Definition.VARIABLE}, materialize_and_look))
        with self.assertRaisesRegex(uruk.Error, "nobody"):
            self.jit.address("looks")
        # What the unit has failed with is told once.
        self.jit.define_unit(uruk.Unit({"unresolved": Definition.VARIABLE}, lambda responsibility: responsibility.emit()))
        self.assertEqual(self.jit.look_up("unresolved").exception().status, Status.INVALID)
        self.assertEqual(number_at(self.jit.address("looks")), 1)

    def test_a_responsibility_is_settled_on_another_thread(self):
        threads = []

        def settle(responsibility):
            define(responsibility, later=7)
            responsibility.emit()

        def materialize(responsibility):
            threads.append(threading.Thread(target=settle, args=[responsibility]))
            threads[0].start()

        self.jit.define_unit(uruk.Unit({"later": Definition.WEAK | Definition.HIDDEN}, materialize))
        self.assertEqual(number_at(self.jit.address("later")), 7)
        threads[0].join()

    def test_a_responsibility_looks_up_and_goes_on(self):
        self.jit.define_unit(uruk.Unit({"base": Definition.VARIABLE}, lambda one: (define(one, base=40), one.emit())))
        handed = []

        def go_on(responsibility, found):
            [base] = found.result()
            define(responsibility, sum=number_at(base) + 2)
            responsibility.emit("base")

        def materialize(responsibility):
            responsibility.look_up("base", then=go_on)
            with self.assertRaises(uruk.Error) as caught:
                responsibility.emit()
            handed.append(caught.exception.status)

        self.jit.define_unit(uruk.Unit({"sum": Definition.VARIABLE}, materialize))
        self.assertEqual(number_at(self.jit.address("sum")), 42)
        self.assertEqual(handed, [Status.GONE])
        fails = uruk.Unit(["fails"], lambda one: one.look_up("nobody", then=lambda other, found: found.result()))
        self.jit.define_unit(fails)
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("fails")
        self.assertEqual(caught.exception.__cause__.status, Status.MISSING)

    def test_a_responsibility_is_split(self):
        other = uruk.Unit({"third": Definition.VARIABLE}, lambda one: (define(one, third=13), one.emit()))

        def materialize(responsibility):
            self.assertEqual(sorted(responsibility.owed()), ["first", "second", "third"])
            self.assertEqual(responsibility.requested(), ["first"])
            with responsibility.delegate("second") as part:
                define(part, second=12)
                part.emit()
            responsibility.replace(other)
            responsibility.define({"more": Definition.VARIABLE})
            define(responsibility, first=11, more=14)
            responsibility.emit()

        self.jit.define_unit(uruk.Unit(dict.fromkeys(("first", "second", "third"), Definition.VARIABLE), materialize))
        found = {name: number_at(self.jit.address(name)) for name in ("first", "second", "more", "third")}
        self.assertEqual(found, {"first": 11, "second": 12, "more": 14, "third": 13})

    def test_needs_are_waited_for_and_initialisers_run(self):
        started = []
        initialise = ctypes.CFUNCTYPE(None)(lambda: started.append(1))

        def materialize(responsibility):
            responsibility.keep(initialise)
            responsibility.add_initialisers(ctypes.cast(initialise, ctypes.c_void_p).value)
            responsibility.emit()

        flags = Definition.SIDE_EFFECTS_ONLY | Definition.INITIALISER
        self.jit.define_unit(uruk.Unit({"effects": flags}, materialize))
        self.jit.initialize()
        self.assertEqual(started, [1])
        other = self.jit.create_dylib("other")
        needy = uruk.Unit({"needy": Definition.VARIABLE}, lambda one: (define(one, needy=1), one.emit((other, "nowhere"))))
        self.jit.define_unit(needy)
        with self.assertRaisesRegex(uruk.Error, "nowhere"):
            self.jit.address("needy")

    def test_a_unit_is_kept_until_it_is_made_or_goes(self):
        discarded = []

        class Idle(uruk.Unit):
            def materialize(self, responsibility):
                define(responsibility, **{name: 1 for name in self.definitions})
                responsibility.emit()

            def discard(self):
                discarded.append(list(self.definitions))

        tracker = self.jit.create_tracker()
        units = [Idle({"idle": Definition.VARIABLE}), Idle({"used": Definition.VARIABLE})]
        gone = [weakref.ref(unit) for unit in units]
        while units:
            self.jit.define_unit(units.pop(), tracker=tracker)
        gc.collect()
        self.assertNotIn(None, [one() for one in gone])
        self.jit.address("used")
        self.assertIsNone(gone[1]())
        tracker.remove()
        self.assertEqual((discarded, gone[0]()), ([["idle"]], None))
        with self.assertRaises(uruk.Error) as caught:
            self.jit.define_unit(refused := Idle({"flags": 1 << 20}))
        self.assertEqual(caught.exception.status, Status.INVALID)
        refused = weakref.ref(refused)
        self.assertIsNone(refused())
        self.assertEqual(len(discarded), 1)

    def test_what_a_unit_keeps_goes_with_it(self):
        class Thing:
            pass

        thing, tracker = Thing(), self.jit.create_tracker()
        kept = weakref.ref(thing)

        def materialize(responsibility, thing=thing):
            responsibility.keep(thing)
            define(responsibility, keeps=1)
            responsibility.emit()

        self.jit.define_unit(uruk.Unit({"keeps": Definition.VARIABLE}, materialize), tracker=tracker)
        self.jit.address("keeps")
        del thing, materialize
        gc.collect()
        self.assertIsNotNone(kept())
        tracker.remove()
        self.jit.quiesce()
        self.assertIsNone(kept())


if __name__ == "__main__":
    unittest.main()
