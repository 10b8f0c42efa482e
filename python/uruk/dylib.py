"""Dylibs: what is added to them, what they find, and what is called."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _abi
from ._library import check, content, copied_text, handle_of, library, text, text_if_any, texts
from .errors import Error
from .function import Address, Function, address_of
from .generator import Generator, Resolver, add_generator
from .graph import Graph
from .lookup import look_up
from .tracker import Pin, Redirectable, Tracker
from .unit import Unit, define_unit

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .jit import Jit

Path = str | os.PathLike[str]


class Dylib:
    """A part of a program with a name space of its own."""

    def __init__(self, jit: Jit, handle: Any) -> None:
        self.jit = jit
        self._handle = handle if isinstance(handle, ctypes.c_void_p) else ctypes.c_void_p(handle)

    @property
    def name(self) -> str:
        """What it is called."""
        return copied_text(library.uruk_dylib_name, self._handle)

    def __repr__(self) -> str:
        return f"<dylib {self.name}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dylib) and self._handle.value == other._handle.value

    def __hash__(self) -> int:
        return hash(self._handle.value)

    def _check(self, status: int) -> None:
        """Raises what went wrong, or what a callback of the JIT's has left."""
        try:
            check(status)
        except Error as error:
            self.jit._failures.add_left(error)
            raise
        self.jit._failures.raise_left()

    # What is added.

    def create_tracker(self) -> Tracker:
        """Makes a tracker, to be given to what adds something."""
        return Tracker(self)

    def add_object(self, data: Buffer, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Adds an object of any format, as bytes."""
        check(library.uruk_dylib_add_object(self._handle, handle_of(tracker), text_if_any(name), *content(data)))

    def add_object_files(self, *paths: Path, tracker: Tracker | None = None) -> None:
        """Adds objects as one static link would take them."""
        check(library.uruk_dylib_add_object_files(self._handle, handle_of(tracker), texts(paths), len(paths)))

    def add_file(self, path: Path) -> None:
        """Adds an object or an archive."""
        check(library.uruk_dylib_add_file(self._handle, text(path)))

    def add_archive(self, data: Buffer, *, name: Path | None = None) -> None:
        """Adds an archive, as bytes, whose members are linked when something refers to them."""
        check(library.uruk_dylib_add_archive(self._handle, text_if_any(name), *content(data)))

    def add_whole_archive(self, path: Path) -> None:
        """Adds all members of an archive."""
        check(library.uruk_dylib_add_whole_archive(self._handle, text(path)))

    def add_source_file(self, path: Path) -> None:
        """Adds a source in C, C++ or another language of the system's compilers, compiled when something of it is needed."""
        check(library.uruk_dylib_add_source_file(self._handle, text(path)))

    def add_c(self, source: str, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Compiles a text in C by the system's compiler and adds it."""
        self.add_source("c", source, name=name, tracker=tracker)

    def add_cpp(self, source: str, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Compiles a text in C++ by the system's compiler and adds it."""
        self.add_source("cpp", source, name=name, tracker=tracker)

    def add_source(self, language: str, source: str, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Compiles a text by the system's compiler and adds it; `language` is what files in it end with: "c", "cpp", "s"."""
        words = (text(language), text_if_any(name), text(source))
        self._check(library.uruk_dylib_add_source(self._handle, handle_of(tracker), *words))

    def add_ir(self, data: Buffer | str, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Adds LLVM IR: bitcode as bytes, or a text. That needs the library's plugin, and so an installed LLVM."""
        data = data.encode() if isinstance(data, str) else data
        self._check(library.uruk_dylib_add_ir(self._handle, handle_of(tracker), text_if_any(name), *content(data)))

    def add_clif(self, source: str, *, name: Path | None = None, tracker: Tracker | None = None) -> None:
        """Adds functions in Cranelift's language."""
        check(library.uruk_dylib_add_clif(self._handle, handle_of(tracker), text_if_any(name), text(source)))

    def add_library(self, path_or_soname: Path) -> None:
        """Loads a shared library and offers its symbols in this dylib only."""
        check(library.uruk_dylib_add_library(self._handle, text(path_or_soname)))

    def add_process(self) -> None:
        """Lets it find what the process where code runs exports: for dylibs whose search order has no other way there."""
        check(library.uruk_dylib_add_process(self._handle))

    def add_generator(self, generator: Generator) -> None:
        """Lets a generator be asked for what is missing, behind those that were added before."""
        add_generator(self, generator)

    def add_resolver(self, resolve: Callable[[str], Address | None], *, name: str = "a resolver") -> None:
        """Lets a function be asked for the address of a name that is missing: it returns that, or None."""
        add_generator(self, Resolver(resolve, name))

    def remove_generators(self) -> None:
        """Removes all generators, archives and libraries. What they have defined stays."""
        check(library.uruk_dylib_remove_generators(self._handle))

    def define_unit(self, unit: Unit, *, tracker: Tracker | None = None) -> None:
        """Defines what a unit promises; it is made when somebody asks for one of its names."""
        define_unit(self, unit, tracker)

    def _symbols(self, symbols: Mapping[str, Address]) -> Any:
        """An array of names with addresses; functions of `ctypes` are kept as long as the JIT."""
        self.jit._kept.extend(value for value in symbols.values() if not isinstance(value, int))
        pairs = [_abi.uruk_symbol(text(name), address_of(value)) for name, value in symbols.items()]
        return (_abi.uruk_symbol * len(pairs))(*pairs)

    def define(self, name: str, value: Address) -> None:
        """Defines a name: as an address, or as a function of `ctypes` (`CFUNCTYPE(…)(python_function)`), which is kept."""
        self.define_all({name: value})

    def define_all(self, symbols: Mapping[str, Address]) -> None:
        """Defines names, all or none."""
        array = self._symbols(symbols)
        check(library.uruk_dylib_define(self._handle, array, len(array)))

    def define_redirectable(self, functions: Mapping[str, Address], *, tracker: Tracker | None = None) -> Redirectable:
        """Defines functions, with the addresses of their first bodies, that can be led elsewhere."""
        return Redirectable(self, functions, tracker)

    def alias(self, name: str, target: str) -> None:
        """Defines another name for a symbol."""
        check(library.uruk_dylib_alias(self._handle, text(name), text(target)))

    def lazy_reexport(self, source: Dylib, *names: str) -> None:
        """Defines functions of another dylib that are linked when they are called first."""
        check(library.uruk_dylib_lazy_reexport(self._handle, source._handle, texts(names), len(names)))

    # What is found.

    def link_against(self, *others: Dylib) -> None:
        """Lets it find what it needs in others, before the process and in this order."""
        handles = (ctypes.c_void_p * len(others))(*(other._handle.value for other in others))
        check(library.uruk_dylib_link_against(self._handle, handles, len(others)))

    def set_search_order(self, *entries: Dylib | tuple[Dylib, bool]) -> None:
        """Where it looks: dylibs, or pairs of a dylib and whether what that hides is found, too."""
        pairs = [entry if isinstance(entry, tuple) else (entry, entry == self) for entry in entries]
        raw = (_abi.uruk_search_entry * len(pairs))(*(_abi.uruk_search_entry(dylib._handle, int(hidden), 0) for dylib, hidden in pairs))
        check(library.uruk_dylib_set_search_order(self._handle, raw, len(pairs)))

    def address(self, name: str) -> int:
        """The address of a symbol, linked, initialised and ready to be used."""
        address = ctypes.c_uint64()
        self._check(library.uruk_lookup(self._handle, text(name), ctypes.byref(address)))
        return address.value

    def addresses(self, *names: str, weak: bool = False, dynamic: bool = False, resolved: bool = False) -> list[int]:
        """The addresses of several symbols, linked together. With `weak`, 0 for those that are missing; with `dynamic`, archives
        add nothing; with `resolved`, the code may not be ready to be called."""
        found = (ctypes.c_uint64 * len(names))()
        self._check(library.uruk_lookup_all(self._handle, texts(names), len(names), lookup_flags(weak, dynamic, resolved), found))
        return list(found)

    def look_up(
        self,
        *names: str,
        weak: bool = False,
        dynamic: bool = False,
        resolved: bool = False,
        then: Callable[[Future[list[int]]], object] | None = None,
    ) -> Future[list[int]]:
        """Starts what `addresses` does, and does not wait. `then` is called with the future once it is done, on whatever thread
        that is; what it raises is raised by the JIT's next call. In `asyncio`, `asyncio.wrap_future` waits."""
        return look_up(self, names, lookup_flags(weak, dynamic, resolved), then)

    def function(self, name: str, restype: Any = ctypes.c_int, argtypes: Iterable[Any] | None = None) -> Function:
        """A function, ready to be called."""
        function = Function(self.jit, name, self.address(name))
        function.restype, function.argtypes = restype, None if argtypes is None else list(argtypes)
        return function

    def __getitem__(self, name: str) -> Function:
        return self.function(name)

    def pin(self, name: str) -> Pin:
        """Looks a symbol up, and keeps it although it is removed."""
        return Pin(self, name)

    def retained_graphs(self) -> list[Graph]:
        """The graphs of its linked objects, with addresses, if the JIT was told to retain them."""
        count = ctypes.c_size_t()
        check(library.uruk_dylib_retained_graphs(self._handle, None, 0, ctypes.byref(count)))
        room = count.value
        handles = (ctypes.c_void_p * room)()
        check(library.uruk_dylib_retained_graphs(self._handle, handles, room, ctypes.byref(count)))
        return [Graph.owned(handle) for handle in handles[: min(room, count.value)] if handle]

    # What runs.

    def initialize(self) -> None:
        """Links everything and runs the initialisers that have not run."""
        self._check(library.uruk_dylib_initialize(self._handle))

    def run(self, entry: str = "main") -> int:
        """Calls a function with the arguments of `main`, and returns its status."""
        status = ctypes.c_int32()
        self._check(library.uruk_dylib_run(self._handle, text(entry), ctypes.byref(status)))
        return status.value

    def call(self, name: str, *arguments: int) -> int:
        """Calls a function, wherever code runs, with at most six integers or addresses of there."""
        words = (ctypes.c_uint64 * len(arguments))(*(word & (1 << 64) - 1 for word in arguments))
        result = ctypes.c_uint64()
        self._check(library.uruk_dylib_call(self._handle, text(name), words, len(words), ctypes.byref(result)))
        return result.value

    def clear(self) -> None:
        """Removes everything that was defined in it."""
        self._check(library.uruk_dylib_clear(self._handle))

    def remove(self) -> None:
        """Removes it with everything in it."""
        self._check(library.uruk_dylib_remove(self._handle))


def lookup_flags(weak: bool, dynamic: bool, resolved: bool) -> int:
    """What a look-up is told."""
    chosen = ((weak, _abi.URUK_LOOKUP_WEAK), (dynamic, _abi.URUK_LOOKUP_DYNAMIC), (resolved, _abi.URUK_LOOKUP_RESOLVED))
    return sum(flag for wanted, flag in chosen if wanted)
