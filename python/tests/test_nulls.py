"""No function of the interface does harm when what it is given is null: run in a process of its own, which a crash would end."""

import ctypes
import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

import uruk
from uruk import _abi
from uruk._library import library
from uruk.constants import Status

HEADER = Path(uruk.__file__).parent.parent.parent / "crates" / "uruk-capi" / "include" / "uruk.h"

#: Functions that are asked what was, or what is known: null does not matter to them.
OTHERS = {"uruk_abi_version", "uruk_error_last", "uruk_error_status", "uruk_last_message", "uruk_last_status", "uruk_struct_size", "uruk_version"}

#: What becomes of nothing at all, of no bytes, say.
NOTHING = {Status.OK, Status.NULL, Status.MISSING, Status.LINK, Status.UNSUPPORTED}


def declared():
    """The functions of the header: the types of what they return and take, and what is said of them."""
    _, text = HEADER.read_text().split('extern "C" {')
    pattern = r"((?://[^\n]*\n)+)([\w ]+?[ *]+)(uruk_\w+)\(([^;]*)\);"
    functions = {}
    for comment, result, name, parameters in re.findall(pattern, text):
        types = [re.sub(r"\w+$", "", parameter).replace(" ", "") for parameter in parameters.split(",")]
        functions[name] = result.strip(), [] if parameters == "void" else types, comment
    return functions


#: What a program can make by itself.
KINDS = ("uruk_jit*", "uruk_dylib*", "uruk_tracker*", "uruk_cache*", "uruk_memory_manager*")


def handles():
    """A handle of each of them."""
    made = {kind: ctypes.c_void_p() for kind in KINDS}
    place = {kind: ctypes.byref(handle) for kind, handle in made.items()}
    assert library.uruk_jit_create(None, place["uruk_jit*"]) == 0
    assert library.uruk_jit_main(made["uruk_jit*"], place["uruk_dylib*"]) == 0
    assert library.uruk_tracker_create(made["uruk_dylib*"], place["uruk_tracker*"]) == 0
    assert library.uruk_cache_create_memory(1 << 20, place["uruk_cache*"]) == 0
    assert library.uruk_memory_manager_create_stock(None, place["uruk_memory_manager*"]) == 0
    return made


def given(argument, kind, known, number):
    """What a function is given for an argument."""
    if issubclass(argument, ctypes._CFuncPtr):
        return argument()
    if argument in (ctypes.c_char_p, ctypes.c_void_p) or hasattr(argument, "contents"):
        return known.get(kind)
    return number


def child():
    """Calls each function with null for whatever is a pointer: with 0 and 1 for numbers, and without and with handles."""
    results = {}
    for name, (_, types, _) in declared().items():
        arguments, outcomes = _abi.FUNCTIONS[name][1], []
        for number in (0, 1):
            # Without arguments it would be an executor.
            if name == "uruk_executor_serve" and number == 0:
                continue
            for known in ({}, handles()):
                outcomes.append(getattr(library, name)(*[given(*pair, known, number) for pair in zip(arguments, types, strict=True)]))
        results[name] = outcomes
    print(json.dumps(results, default=repr))


class Nulls(unittest.TestCase):
    def test_null_is_a_status_and_no_crash(self):
        done = subprocess.run([sys.executable, "-X", "faulthandler", __file__], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        outcomes, functions = json.loads(done.stdout), declared()
        self.assertEqual(set(outcomes), set(_abi.FUNCTIONS))
        self.assertLess(100, len(outcomes))
        for name, (result, types, comment) in functions.items():
            with self.subTest(name):
                self.check(name, outcomes[name], result, types, comment)

    def check(self, name, outcomes, result, types, comment):
        if name in OTHERS:
            return
        if result != "uruk_status":
            # A buffer without room may be null.
            self.assertFalse(any(outcomes[index] for index in (0, 2, 3)), outcomes)
            return
        without = Status.OK if "Null is fine" in comment else Status.NULL
        if name == "uruk_executor_serve":
            self.assertEqual(outcomes, [without, without])
            return
        self.assertEqual([outcomes[0], outcomes[2]], [without, without])
        self.assertIn(outcomes[1], NOTHING)
        missing = [kind for kind in types if "*" in kind or kind.endswith("_callback")]
        missing = [kind for kind in missing if kind not in KINDS]
        if name == "uruk_dylib_run":
            # What is null is `main`, which is not there.
            self.assertEqual(outcomes[3], Status.MISSING)
        else:
            self.assertEqual(outcomes[3], without if missing else Status.OK)


if __name__ == "__main__":
    child()
