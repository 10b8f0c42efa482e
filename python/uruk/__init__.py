"""Uruk: a JIT linker. Objects, archives and sources in, callable code out.

>>> import uruk
>>> jit = uruk.Jit()
>>> jit.add_clif("function %twice(i64) -> i64 system_v { block0(v0: i64): v1 = iadd v0, v0; return v1 }")  # doctest: +SKIP
>>> jit["twice"](21)  # doctest: +SKIP
42
"""

from ._library import library
from .cache import Cache, DirectoryCache, MemoryCache, cache_key
from .constants import (
    Binding,
    Definition,
    EdgeKind,
    ImageKind,
    Kind,
    Optimize,
    Place,
    Pointer,
    SectionKind,
    Status,
    SymbolType,
    Visibility,
)
from .dispatcher import Dispatcher, PoolDispatcher, Task
from .dylib import Dylib
from .errors import Error
from .executor import Executor, serve
from .function import Function
from .generator import Generator, Resolver, Suspended, Wanted
from .graph import Block, Edge, Graph, Section, Symbol
from .image import Image, describe, differences
from .jit import Jit
from .listener import Listener, Loaded, LoadedSymbol
from .mapped import Mapped, MappedSymbol
from .memory import Allocator, Batch, LaidOutMemory, MemoryManager, Request, Run, SectionMemory, StockMemory
from .plugin import Plugin, PluginObject
from .tracker import Pin, Redirectable, Tracker
from .unit import Responsibility, Unit
from .world import Closure, Elements, Entry, Finding, Share, Tagged, World

__all__ = [
    "Allocator",
    "Batch",
    "Binding",
    "Block",
    "Cache",
    "Closure",
    "Definition",
    "DirectoryCache",
    "Dispatcher",
    "Dylib",
    "Edge",
    "EdgeKind",
    "Elements",
    "Entry",
    "Error",
    "Executor",
    "Finding",
    "Function",
    "Generator",
    "Graph",
    "Image",
    "ImageKind",
    "Jit",
    "Kind",
    "LaidOutMemory",
    "Listener",
    "Loaded",
    "LoadedSymbol",
    "Mapped",
    "MappedSymbol",
    "MemoryCache",
    "MemoryManager",
    "Optimize",
    "Pin",
    "Place",
    "Plugin",
    "PluginObject",
    "Pointer",
    "PoolDispatcher",
    "Redirectable",
    "Request",
    "Resolver",
    "Responsibility",
    "Run",
    "Section",
    "SectionKind",
    "SectionMemory",
    "Share",
    "Status",
    "StockMemory",
    "Suspended",
    "Symbol",
    "SymbolType",
    "Tagged",
    "Task",
    "Tracker",
    "Unit",
    "Visibility",
    "Wanted",
    "World",
    "cache_key",
    "describe",
    "differences",
    "serve",
]

#: The library's version.
__version__: str = library.uruk_version().decode()
