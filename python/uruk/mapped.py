"""Images that are mapped into this process, out of files that `Image` has written."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import asked, asking, callback, telling, told
from ._library import Owned, check, decoded, handle_of, initialized, library, made, text, text_if_any, texts
from .constants import SymbolType, meaning
from .errors import Failures
from .function import Address, Function, address_of
from .world import World

if TYPE_CHECKING:
    from .dylib import Dylib

Path = str | os.PathLike[str]

_find = asked(callback(_abi.uruk_load_options, "find"))
_each_symbol = telling(_abi.uruk_mapped_symbol_callback)


@dataclass(frozen=True)
class MappedSymbol:
    """A symbol of a loaded image."""

    name: str
    address: int
    #: 0 where nobody has said.
    size: int
    kind: SymbolType | int


class Mapped(Owned):
    """An image that this process has mapped: `image["name"](…)` calls a function of it.

    It is unloaded by `close`, at the end of a `with`, or when nobody has it any more, and stays as long as another one that builds on it.
    None of its code may run then.
    """

    def __init__(
        self,
        path: Path,
        *,
        arguments: Sequence[str] = (),
        stamp: str | None = None,
        world: World | None = None,
        base: Mapped | None = None,
        find: Callable[[str], Address | None] | None = None,
        interpose: bool = False,
    ) -> None:
        """Loads the file, which nobody is to write to, and runs its initialisers.

        `arguments` are those of `run` and of initialisers, the program's name first. `stamp` is what it has to be stamped with, and the
        types of `world` have to be laid out as those of the image. `base` is the image that it builds on. `find` is asked for symbols by
        their names before the process is. `interpose`: libraries that the process was started with use what the image defines, for good."""
        options = initialized(_abi.uruk_load_options)
        options.flags = _abi.URUK_LOAD_INTERPOSE if interpose else 0
        options.path, options.stamp = text(path), text_if_any(stamp)
        options.arguments, options.argument_count = texts(arguments), len(arguments)
        options.world, options.base = handle_of(world), handle_of(base)
        self._failures = Failures()

        def found(name: bytes) -> int:
            address = None if find is None else find(decoded(name))
            return 0 if address is None else address_of(address)

        if find is not None:
            options.find = _find
        with nullcontext(0) if find is None else asking("`find`", found) as options.context:
            self._own(made(library.uruk_mapped_load, ctypes.byref(options)), library.uruk_mapped_dispose)

    def address(self, name: str) -> int:
        """The address of what it defines under a name."""
        address = ctypes.c_uint64()
        check(library.uruk_mapped_address(self._handle, text(name), ctypes.byref(address)))
        return address.value

    def __getitem__(self, name: str) -> Function:
        """A function of it."""
        return Function(self, name, self.address(name))

    @property
    def range(self) -> range:
        """The addresses that it has."""
        start, size = ctypes.c_uint64(), ctypes.c_uint64()
        check(library.uruk_mapped_range(self._handle, ctypes.byref(start), ctypes.byref(size)))
        return range(start.value, start.value + size.value)

    def symbols(self) -> list[MappedSymbol]:
        """All that it defines for others, but for thread-local variables."""

        def symbol(raw: Any) -> MappedSymbol:
            return MappedSymbol(decoded(raw.name), raw.address, raw.size, meaning(SymbolType, raw.kind))

        return told(library.uruk_mapped_symbols, self._handle, each=_each_symbol, meaning=symbol)

    def define(self, dylib: Dylib) -> None:
        """Defines all of that in a dylib, whose JIT has the image from then on; its code may run as long as that is not closed."""
        check(library.uruk_mapped_define(self._handle, dylib._handle))
        dylib.jit._kept.append(self)

    def run(self) -> int:
        """Runs the program that it is, and returns its status."""
        status = ctypes.c_int32()
        check(library.uruk_mapped_run(self._handle, ctypes.byref(status)))
        return status.value
