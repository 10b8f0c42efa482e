"""The examples do what their heads say."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

import uruk
from support import Case

EXAMPLES = Path(uruk.__file__).parent.parent / "examples"


def example(name, *arguments, status=0, **options):
    """Runs an example, and returns what it printed."""
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py", *arguments], capture_output=True, text=True, **options)
    if done.returncode != status:
        raise AssertionError(f"{name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Examples(Case):
    def test_an_arena(self):
        source = self.folder / "program.c"
        source.write_text("static int number = 40; int main(void) { return number + 2; }")
        printed = example("arena", source, status=42).splitlines()
        self.assertEqual(printed[-1], "in the arena")
        self.assertTrue(any(line.startswith("code of 1 object(s), .text") for line in printed), printed)
        self.assertTrue(any(line.startswith("data of 1 object(s), .data") for line in printed), printed)

    def test_hooked_look_ups(self):
        path = self.object("hooked", 'int puts(const char *); int main(void) { puts("a line"); return 3; }')
        self.assertEqual(example("hooked", path, status=3), "[a line]\n")

    def test_an_image_is_run_without_the_library(self):
        source, image = self.folder / "compute.c", self.folder / "compute.image"
        source.write_text(
            "static int table[] = {10, 20, 30}; static int *where = table;\n"
            "int compute(int a) { return where[a]++ + a; }\n"
        )
        self.assertEqual(example("image", image, source), "")
        # Neither the package nor a compiler can be found there, and what the first run changed was its own.
        alone = {"PATH": "/nowhere", "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        for _ in range(2):
            self.assertEqual(example("run_image", image, "1", "2", "1", env=alone), "21 32 22\n")
        source.write_text("int getpid(void); int compute(int a) { return getpid() + a; }")
        with self.assertRaisesRegex(AssertionError, "`getpid`"):
            example("image", image, source)

    def test_a_toy_language_is_compiled_by_first_calls(self):
        functions = ["twice x = x + x", "four x = twice(twice(x))", "never x = four(x * 3 - 1)"]
        self.assertEqual(example("toy", *functions, "four", "10"), "compiling four\ncompiling twice\n40\n")
        self.assertEqual(example("toy", *functions, "never", "2").splitlines()[-1], "20")
        with self.assertRaisesRegex(AssertionError, r"SyntaxError: `x / 2` is nothing that this language has"):
            example("toy", "half x = x / 2", "half", "2")

    def test_gdb_sees_what_is_linked(self):
        source = self.folder / "program.c"
        text = [
            "int counter = 40;",
            "__attribute__((noinline)) static int helper(int value) {",
            "    counter += value; /* stops here */",
            "    return counter;",
            "}",
            "int compute(int number) { return helper(number * 2) + 1; }",
        ]
        path = self.object("program", "\n".join(text), "-g")
        commands = ["set confirm off", "set breakpoint pending on", f"break {source.name}:3", "run", "print value", "backtrace 2", "continue"]
        words = [word for command in commands for word in ("-ex", command)]
        program = [os.path.realpath(sys.executable), EXAMPLES / "debugged.py", path, "1"]
        gdb = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", *words, "--args", *program]
        done = subprocess.run(gdb, capture_output=True, text=True, timeout=250)
        printed = done.stdout
        for wanted in (
            "Breakpoint 1, helper (value=2) at ",
            "counter += value; /* stops here */",
            "$1 = 2",
            "#0  helper (value=2) at ",
            f"{source.name}:3",
            " in compute (number=1) at ",
            f"{source.name}:6",
            "\n43\n",
        ):
            self.assertIn(wanted, printed, done.stderr)
            printed = printed[printed.index(wanted) + len(wanted) :]


if __name__ == "__main__":
    unittest.main()
