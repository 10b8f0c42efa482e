"""Uruk: a JIT linker. Objects, archives and sources in, callable code out.

>>> import uruk
>>> jit = uruk.Jit()
>>> jit.add_clif("function %twice(i64) -> i64 system_v { block0(v0: i64): v1 = iadd v0, v0; return v1 }")  # doctest: +SKIP
>>> jit["twice"](21)  # doctest: +SKIP
42
"""

from ._library import Error, library
from .function import Function
from .jit import Dylib, Jit, Tracker
from .memory import MemoryManager, StockMemory

__all__ = ["Dylib", "Error", "Function", "Jit", "MemoryManager", "StockMemory", "Tracker"]

#: The library's version.
__version__ = library.uruk_version().decode()
