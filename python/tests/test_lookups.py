"""Look-ups, generators, pins, and functions that are led elsewhere."""

import asyncio
import ctypes
import gc
import threading
import unittest
import weakref
from pathlib import Path

import uruk
from support import Case
from uruk import Status

UNARY = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)


class LookUps(Case):
    def setUp(self):
        super().setUp()
        self.jit = uruk.Jit()
        self.addCleanup(self.jit.close)

    def test_a_resolver_is_asked_for_what_is_missing(self):
        asked = []

        def resolve(name):
            asked.append(name)
            return UNARY(lambda x: x + 2) if name == "ours" else None

        self.jit.add_resolver(resolve)
        self.jit.add_file(self.object("f", "int ours(int); int f(int x) { return ours(x); }"))
        self.assertEqual(self.jit["f"](40), 42)
        self.assertIn("ours", asked)
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("nobodys")
        self.assertEqual(caught.exception.status, Status.MISSING)
        self.jit.remove_generators()
        asked.clear()
        self.assertEqual(self.jit.addresses("nobodys", weak=True), [0])
        self.assertEqual(asked, [])

    def test_a_generator_is_told_what_is_wanted(self):
        seen = []

        class Ours(uruk.Generator):
            name = "ours"

            def generate(self, wanted):
                seen.append((wanted.dylib, wanted.names, wanted.required, wanted.dynamic))

        self.jit.add_generator(Ours())
        self.jit.addresses("weak", weak=True)
        self.jit.addresses("dynamic", weak=True, dynamic=True)
        with self.assertRaises(uruk.Error):
            self.jit.addresses("needed")
        self.assertEqual([(names, dynamic) for _, names, _, dynamic in seen], [(["weak"], False), (["dynamic"], True), (["needed"], False)])
        self.assertEqual((seen[0][0], seen[2][2]), (self.jit, ["needed"]))

    def test_what_a_generator_raises_is_the_cause(self):
        def resolve(name):
            raise LookupError(f"{name}: the list is closed")

        self.jit.add_resolver(resolve, name="the list")
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("wanted")
        self.assertIsInstance(caught.exception.__cause__, LookupError)
        self.assertEqual(caught.exception.status, Status.CALLBACK)
        self.assertIn("the list", str(caught.exception))

    def test_a_generator_answers_later(self):
        threads = []

        class Slow(uruk.Generator):
            def generate_later(self, wanted, suspended):
                def answer():
                    if "sour" in wanted.names:
                        suspended.finish(ValueError("it has gone off"))
                    else:
                        wanted.dylib.define_all({name: UNARY(lambda x: 3 * x) for name in wanted.names})
                        suspended.finish()

                if "forgotten" in wanted.names:
                    return
                if "refused" in wanted.names:
                    raise KeyError("refused")
                threads.append(threading.Thread(target=answer))
                threads[-1].start()

        self.jit.add_generator(Slow())
        self.assertEqual(self.jit["slow"](14), 42)
        for name, kind in (("sour", ValueError), ("refused", KeyError)):
            with self.assertRaises(uruk.Error) as caught:
                self.jit.address(name)
            self.assertIsInstance(caught.exception.__cause__, kind)
        with self.assertRaisesRegex(uruk.Error, "forgotten"):
            self.jit.address("forgotten")
        for thread in threads:
            thread.join()

    def test_a_generator_is_kept_until_it_is_removed(self):
        class Ours(uruk.Generator):
            def generate(self, wanted):
                pass

        generator = Ours()
        kept = weakref.ref(generator)
        self.jit.add_generator(generator)
        del generator
        gc.collect()
        self.assertIsNotNone(kept())
        self.jit.remove_generators()
        self.assertIsNone(kept())

    def test_look_ups_are_futures(self):
        self.jit.add_file(self.object("f", "int f(void) { return 1; } int g(void) { return 2; }"))
        told = []
        future = self.jit.look_up("f", "g", then=told.append)
        self.assertEqual(future.result(), self.jit.addresses("f", "g"))
        self.assertEqual(told, [future])
        self.assertEqual(self.jit.look_up("nobody", weak=True).result(), [0])
        self.assertEqual(self.jit.look_up("nobody").exception().status, Status.MISSING)
        self.jit.look_up("f", then=lambda future: 1 // 0)
        with self.assertRaises(uruk.Error) as caught:
            self.jit.address("f")
        self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
        self.assertNotEqual(self.jit.address("f"), 0)

        async def wait():
            return await asyncio.wrap_future(self.jit.look_up("g", resolved=True))

        self.assertEqual(asyncio.run(wait()), [self.jit.address("g")])

    def test_what_a_unit_raises_is_the_futures_cause(self):
        self.jit.define_unit(uruk.Unit(["bad"], lambda one: 1 // 0))
        self.assertIsInstance(self.jit.look_up("bad").exception().__cause__, ZeroDivisionError)

    def test_a_pin_keeps_what_was_removed(self):
        tracker = self.jit.create_tracker()
        self.jit.add_object_files(self.object("f", "int f(void) { return 42; }"), tracker=tracker)
        with self.jit.pin("f") as pin:
            tracker.remove()
            self.assertEqual(self.jit.addresses("f", weak=True), [0])
            self.assertEqual(ctypes.CFUNCTYPE(ctypes.c_int)(pin.address)(), 42)
        self.jit.quiesce()
        self.assertEqual(self.jit.memory_statistics()["live"][0], 0)
        with self.assertRaises(uruk.Error):
            self.jit.pin("f")

    def test_functions_are_led_elsewhere(self):
        self.jit.add_file(self.object("f", "int led(int); int f(int x) { return led(x); } int fast(int x) { return 3 * x; }"))
        with self.jit.define_redirectable({"led": UNARY(lambda x: x)}) as led:
            self.assertEqual(self.jit["f"](14), 14)
            led.redirect({"led": UNARY(lambda x: 2 * x)})
            gc.collect()
            self.assertEqual(self.jit["f"](14), 28)
            led.redirect_to(self.jit, {"led": "fast"})
            self.assertEqual(self.jit["f"](14), 42)
            with self.assertRaises(uruk.Error):
                led.redirect({"led": 1, "fast": 2})
            self.assertEqual(self.jit["f"](14), 42)

    def test_trackers_are_transferred(self):
        one, other = self.jit.create_tracker(), self.jit.create_tracker()
        self.jit.add_object_files(self.object("f", "int f(void) { return 42; }"), tracker=one)
        one.transfer(other)
        one.remove()
        self.assertEqual(self.jit["f"](), 42)
        one.close()
        one.close()
        with self.assertRaises(uruk.Error) as caught:
            one.remove()
        self.assertEqual(caught.exception.status, Status.GONE)
        other.remove()
        self.assertEqual(self.jit.addresses("f", weak=True), [0])

    def test_processes_and_libraries_are_searched(self):
        alone = self.jit.create_dylib("alone")
        alone.set_search_order(alone)
        self.assertEqual(alone.addresses("getpid", weak=True), [0])
        alone.add_process()
        self.assertNotEqual(alone.address("getpid"), 0)
        library = self.library("demanded", "int demanded(void) { return 42; }")
        self.jit.load_libraries_on_demand("libthatnobodyhas.so.1", str(library))
        self.assertNotIn(str(library), Path("/proc/self/maps").read_text())
        self.assertEqual(self.jit["demanded"](), 42)
        self.assertEqual(list(self.jit.reports()), [])

    def test_a_first_call_raises_why_it_fails(self):
        def resolve(name):
            if name == "broken":
                raise SyntaxError("this is no function")

        with uruk.Jit(lazy_failure="raise") as jit:
            bodies = jit.create_dylib("bodies")
            bodies.add_resolver(resolve)
            jit.lazy_reexport(bodies, "broken", "nobodys")
            jit.add_file(self.object("f", "int broken(int); int f(int x) { return broken(x) + 1; }"))
            for _ in range(2):
                with self.assertRaises(uruk.Error) as caught:
                    jit["f"](1)
                self.assertIsInstance(caught.exception.__cause__, SyntaxError)
            with self.assertRaises(uruk.Error) as caught:
                jit.function("nobodys", argtypes=[])()
            self.assertEqual(caught.exception.status, Status.MISSING)
            bodies.define("nobodys", UNARY(lambda x: 42))
            self.assertEqual(jit["nobodys"](0), 42)

    def test_what_a_function_of_python_raises_arrives(self):
        @self.jit.callback(ctypes.c_double, ctypes.c_int)
        def careful(x):
            if x < 0:
                raise ValueError("negative")
            return x / 2

        self.jit.define("careful", careful)
        self.jit.add_file(self.object("f", "double careful(int); double f(int x) { return careful(x) + 1; }"))
        f = self.jit.function("f", ctypes.c_double)
        del careful
        gc.collect()
        self.assertEqual(f(3), 2.5)
        with self.assertRaises(uruk.Error) as caught:
            f(-1)
        self.assertEqual(str(caught.exception), "`careful`: ValueError: negative")
        self.assertIsInstance(caught.exception.__cause__, ValueError)
        self.assertEqual(f(3), 2.5)

    def test_a_text_with_a_zero_is_refused(self):
        with self.assertRaises(ValueError):
            self.jit.address("f\0g")
        with self.assertRaises(TypeError):
            self.jit.add_object(5)


if __name__ == "__main__":
    unittest.main()
