"""The package offers all functions of the header."""

import ast
import re
import unittest
from pathlib import Path

import uruk

PACKAGE = Path(uruk.__file__).parent
HEADER = PACKAGE.parent.parent / "crates" / "uruk-capi" / "include" / "uruk.h"

#: Functions that the package has no use for, and why.
UNUSED = {
    "uruk_last_message": "`uruk_error_last` has the text of a failure together with its status",
    "uruk_last_status": "as above",
}


def used():
    """The functions that the package's modules name in their code, not in comments or texts."""
    names = set()
    for path in PACKAGE.glob("*.py"):
        if path.name == "_abi.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "library":
                names.add(node.attr)
            # `initialized(_abi.uruk_x)` calls `uruk_x_init`.
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "initialized":
                names.update(f"{argument.attr}_init" for argument in node.args if isinstance(argument, ast.Attribute))
    return names


class Interface(unittest.TestCase):
    def test_every_function_of_the_header_is_offered(self):
        declared = re.sub(r"//[^\n]*|/\*.*?\*/", "", HEADER.read_text(), flags=re.S).split('extern "C" {')[1]
        functions = set(re.findall(r"\b(uruk_\w+)\(", declared))
        self.assertTrue({"uruk_jit_create", "uruk_graph_redirect", "uruk_version"} <= functions)
        self.assertEqual(functions - used(), set(UNUSED))

    def test_what_is_exported_is_documented(self):
        for name in uruk.__all__:
            self.assertTrue(getattr(uruk, name).__doc__, name)
        self.assertTrue((PACKAGE / "py.typed").exists())


if __name__ == "__main__":
    unittest.main()
