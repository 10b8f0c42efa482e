"""Where work is done, and where code runs: dispatchers, caches, executors."""

import gc
import os
import sys
import threading
import unittest
import weakref
from concurrent.futures import ThreadPoolExecutor

import uruk
from support import Case
from uruk import Status

CLIF = "function %{name}(i64) -> i64 system_v {{\nblock0(v0: i64):\n  v1 = iconst.i64 {number}\n  v2 = iadd v0, v1\n  return v2\n}}\n"


def add_functions(jit, count):
    for number in range(count):
        jit.add_clif(CLIF.format(name=f"add{number}", number=number))


class Dispatchers(Case):
    def test_a_pool_runs_tasks(self):
        with ThreadPoolExecutor(2) as pool, uruk.Jit(dispatcher=pool) as jit:
            threads = set()
            jit.define_unit(uruk.Unit(["f"], lambda one: (threads.add(threading.current_thread()), one.resolve({"f": 1}), one.emit())))
            self.assertEqual(jit.look_up("f").result(timeout=60), [1])
            self.assertNotIn(threading.main_thread(), threads)

    def test_a_dispatcher_decides(self):
        tasks, runs = [], []

        class Later(uruk.Dispatcher):
            def dispatch(self, task):
                tasks.append(task)

            def blocked(self):
                runs.append("blocked")

        with uruk.Jit(dispatcher=Later()) as jit:
            jit.define_unit(uruk.Unit(["f"], lambda one: (runs.append("made"), one.resolve({"f": 1}), one.emit())))
            future = jit.look_up("f")
            self.assertEqual((future.done(), runs), (False, []))
            self.assertFalse(tasks[0].idle)
            while tasks:
                task = tasks.pop()
                task.run()
            self.assertEqual((future.result(), runs), ([1], ["made"]))
            with self.assertRaises(uruk.Error) as caught:
                task.run()
            self.assertEqual(caught.exception.status, Status.GONE)

    def test_what_a_dispatcher_drops_is_done_by_who_waits(self):
        class Broken(uruk.Dispatcher):
            def dispatch(self, task):
                raise RuntimeError("no threads left")

        jit = uruk.Jit(dispatcher=Broken())
        jit.add_clif(CLIF.format(name="f", number=2))
        with self.assertRaises(uruk.Error) as caught:
            jit.address("f")
        self.assertEqual(str(caught.exception.__cause__), "no threads left")
        self.assertEqual(jit.look_up("f").result()[0], jit.addresses("f")[0])
        jit.close()

    def test_a_dispatcher_is_kept_as_long_as_its_jit(self):
        class Inline(uruk.Dispatcher):
            def dispatch(self, task):
                task()

        dispatcher = Inline()
        kept = weakref.ref(dispatcher)
        jit = uruk.Jit(dispatcher=dispatcher)
        del dispatcher
        gc.collect()
        jit.add_clif(CLIF.format(name="f", number=2))
        self.assertEqual(jit["f"](40), 42)
        jit.close()
        self.assertIsNone(kept())

    def test_many_threads_look_up_and_are_called_back(self):
        linked, made = [], []

        class Counter(uruk.Plugin):
            def post_prune(self, object, graph):
                linked.append(next(graph.symbols))

        class Maker(uruk.Generator):
            def generate(self, wanted):
                for name in wanted.names:
                    if name.startswith("add"):
                        made.append(name)
                        tracker = wanted.dylib.create_tracker()
                        wanted.dylib.add_clif(CLIF.format(name=name, number=name.removeprefix("add")), tracker=tracker)

        with ThreadPoolExecutor(4) as pool, uruk.Jit(dispatcher=pool) as jit, ThreadPoolExecutor(4) as callers:
            jit.add_plugin(Counter())
            jit.add_generator(Maker())
            results = callers.map(lambda number: jit[f"add{number}"](1), range(60))
            self.assertEqual(list(results), list(range(1, 61)))
        self.assertEqual((sorted(made), len(linked)), (sorted(f"add{number}" for number in range(60)), 60))

    def test_threads_of_the_jits_own_call_back(self):
        threads = set()

        def materialize(responsibility):
            threads.add(threading.get_ident())
            responsibility.fail(ValueError("elsewhere"))

        with uruk.Jit(compile_threads=2) as jit:
            jit.define_unit(uruk.Unit(["f"], materialize))
            self.assertIsInstance(jit.look_up("f").exception(timeout=60).__cause__, ValueError)
        self.assertTrue(threads and threading.get_ident() not in threads)


class Caches(Case):
    def check(self, cache):
        key = uruk.cache_key("a compiler 1.0", b"input", bytearray(b"options"))
        self.assertEqual(len(key), 32)
        self.assertNotEqual(key, uruk.cache_key("a compiler 1.0", b"inputoptions"))
        self.assertIsNone(cache.get(key))
        cache.put(key, b"made\0of this")
        self.assertEqual(cache.get(key), b"made\0of this")
        with uruk.Jit(cache=cache) as jit:
            add_functions(jit, 1)
            self.assertEqual(jit["add0"](42), 42)

    def test_caches_in_memory_and_folders(self):
        with uruk.MemoryCache(1 << 20) as cache:
            self.check(cache)
        folder = self.folder / "cache"
        self.check(uruk.DirectoryCache(folder, 1 << 20))
        self.assertTrue(any(folder.iterdir()))
        with self.assertRaises(ValueError):
            cache.get(b"short")
        with self.assertRaises(uruk.Error) as caught:
            cache.get(bytes(32))
        self.assertEqual(caught.exception.status, Status.GONE)

    def test_a_cache_of_ones_own(self):
        class Dictionary(uruk.Cache):
            def __init__(self):
                self.kept, self.puts = {}, 0

            def get(self, key):
                return self.kept.get(key)

            def put(self, key, data):
                self.kept[key] = data
                self.puts += 1

        cache = Dictionary()
        for _ in range(2):
            with uruk.Jit(cache=cache) as jit:
                add_functions(jit, 2)
                self.assertEqual((jit["add0"](42), jit["add1"](41)), (42, 42))
        # The second JIT had all from the first.
        self.assertEqual((cache.puts, len(cache.kept)), (2, 2))
        kept = weakref.ref(cache)
        jit = uruk.Jit(cache=cache)
        del cache
        gc.collect()
        self.assertIsNotNone(kept())
        jit.close()
        self.assertIsNone(kept())

    def test_what_a_cache_raises_is_not_lost(self):
        class Broken(uruk.Cache):
            def get(self, key):
                raise OSError("the shelf fell down")

            def put(self, key, data):
                pass

        with uruk.Jit(cache=Broken()) as jit:
            add_functions(jit, 1)
            with self.assertRaises(uruk.Error) as caught:
                jit.address("add0")
            self.assertIsInstance(caught.exception.__cause__, OSError)
            self.assertEqual(jit["add0"](42), 42)


class Executors(Case):
    def test_code_runs_in_another_python(self):
        with uruk.Executor.start() as executor, uruk.Jit(executor=executor) as jit:
            self.assertNotEqual(executor.process, os.getpid())
            self.assertIn(os.uname().machine, executor.triple)
            jit.add_c("#include <unistd.h>\nint where(void) { return getpid(); } int main(int n, char **words) { return n; }")
            self.assertEqual(jit.call("where"), executor.process)
            jit.set_arguments("program", "one", "two")
            self.assertEqual(jit.run(), 3)
            self.assertEqual(executor.exit(5), 5)
            with self.assertRaises(uruk.Error) as caught:
                jit.call("where")
            self.assertEqual(caught.exception.status, Status.EXECUTOR)

    def test_what_is_expected_of_an_executor_is_said(self):
        with uruk.Executor.start(sys.executable, "-m", "uruk", shared_memory=False, run_limit=0.3) as executor:
            with uruk.Jit(executor=executor) as jit:
                jit.add_c("void hang(void) { for (;;) ; }")
                with self.assertRaises(uruk.Error) as caught:
                    jit.call("hang")
                self.assertEqual(caught.exception.status, Status.EXECUTOR)
        with self.assertRaises(TypeError):
            uruk.Executor.start(no_such_expectation=1)

    def test_executors_that_are_not_there_are_told(self):
        for call in (lambda: uruk.Executor.start("/no/such/program"), lambda: uruk.Executor.connect(f"unix:{self.folder}/none", patience=1)):
            with self.assertRaises(uruk.Error) as caught:
                call()
            self.assertEqual(caught.exception.status, Status.EXECUTOR)
        with self.assertRaises(uruk.Error):
            uruk.serve(["--no-such-option"])


if __name__ == "__main__":
    unittest.main()
