"""Listeners: who is told of all that is linked."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, fill, give_table, lent
from ._library import check, decoded, initialized, library
from .constants import SymbolType, meaning
from .memory import steps

if TYPE_CHECKING:
    from .jit import Jit


@dataclass(frozen=True)
class LoadedSymbol:
    """A function or variable of a loaded object."""

    name: str
    address: int
    #: 0 where the object does not say.
    size: int
    kind: SymbolType | int


@dataclass(frozen=True)
class Loaded:
    """An object that has been linked."""

    #: A number that nothing else in the process has, earlier or later.
    id: int
    #: What messages call it: a path, or `archive(member)`.
    object: str
    dylib: str
    #: Where its code begins, with the stubs that the linker made for it.
    code: int
    code_size: int
    #: Its functions and variables, but not thread-local ones.
    symbols: list[LoadedSymbol] = field(repr=False)
    _image: int = field(repr=False)

    def debug_image(self) -> bytes:
        """An ELF image with symbols, lines and types at their addresses, as debuggers get; to be had inside `loaded` only."""
        start, size = ctypes.POINTER(ctypes.c_uint8)(), ctypes.c_size_t()
        check(library.uruk_loaded_debug_image(self._image, ctypes.byref(start), ctypes.byref(size)))
        return ctypes.string_at(start, size.value)


class Listener:
    """Is told what is linked and what goes. Override what is of interest.

    Several threads may call at once. Nothing may be looked up or added in here. What is raised in here the JIT's next call raises.
    """

    def loaded(self, object: Loaded) -> None:
        """An object is linked, and nobody has been given a symbol of it yet."""

    def freed(self, id: int) -> None:
        """It goes: its memory is still there. Told once for each `loaded`, by the time that the JIT is gone."""


def _loaded_of(raw: Any) -> Loaded:
    symbols = [
        LoadedSymbol(decoded(symbol.name), symbol.address, symbol.size, meaning(SymbolType, symbol.kind))
        for symbol in steps(raw.symbols, raw.symbol_count, raw.symbol_size, _abi.uruk_loaded_symbol)
    ]
    return Loaded(raw.id, decoded(raw.object), decoded(raw.dylib), raw.code, raw.code_size, symbols, raw.image)


@callback(_abi.uruk_listener_callbacks, "loaded")
def _loaded(number: int, raw: Any) -> None:
    one: Lent = lent(number)
    one.tell("`loaded` of a listener", lambda: one.thing.loaded(_loaded_of(raw[0])))


@callback(_abi.uruk_listener_callbacks, "freed")
def _freed(number: int, id: int) -> None:
    one: Lent = lent(number)
    one.tell("`freed` of a listener", lambda: one.thing.freed(id))


def add_listener(jit: Jit, listener: Listener) -> None:
    """Gives a listener to the library, which keeps it until the JIT is gone."""
    table = initialized(_abi.uruk_listener_callbacks)
    table.destroy = destroyed
    fill(table, type(listener), Listener, {"loaded": _loaded, "freed": _freed})
    give_table(Lent(listener, jit), table, lambda raw: library.uruk_jit_add_listener(jit._jit, raw))
