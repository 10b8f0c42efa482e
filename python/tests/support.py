"""What the tests have in common."""

import ctypes
import subprocess
import tempfile
import unittest
from pathlib import Path


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def object(self, name, text, *options):
        """Compiles a text in C, and returns the object's path."""
        source, target = self.folder / f"{name}.c", self.folder / f"{name}.o"
        source.write_text(text)
        subprocess.run(["gcc", "-c", "-fPIC", *options, source, "-o", target], check=True)
        return target

    def library(self, name, text):
        """Makes a shared library of a text in C, and returns its path."""
        target = self.folder / f"lib{name}.so"
        subprocess.run(["gcc", "-shared", self.object(name, text), "-o", target], check=True)
        return target


def number_at(address):
    """The `int` of C at an address."""
    return ctypes.c_int.from_address(address).value


def constant(number):
    """The bytes of an `int` of C."""
    return bytes(ctypes.c_int(number))
