"""Units of materialization: names that a compiler of one's own defines once somebody asks for one of them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, give, give_table, lent, take_back
from ._library import Owned, check, content, copied_text, handle_of, initialized, library, made, text, text_if_any
from .constants import Definition, Kind
from .errors import Error
from .function import Address, address_of
from .lookup import answer

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .dylib import Dylib
    from .tracker import Tracker

Then = Callable[["Responsibility", "Future[list[int]]"], object]


class Unit:
    """What promises names, and makes them. Override `materialize`, or give a function that does what it is for."""

    #: What messages call it.
    name = "a unit"

    def __init__(
        self,
        definitions: Mapping[str, Definition] | Iterable[str],
        materialize: Callable[[Responsibility], object] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """The names that are promised, each with what it is; without that, they are functions."""
        names = definitions if isinstance(definitions, Mapping) else dict.fromkeys(definitions, Definition.FUNCTION)
        self.definitions: dict[str, Definition] = dict(names)
        self._materialize = materialize
        if name is not None:
            self.name = name

    def materialize(self, responsibility: Responsibility) -> None:
        """Makes it, at most once, on whatever thread the JIT chooses. The responsibility is to be settled, now or later and on any
        thread; if this raises something, or the responsibility is forgotten, the unit has failed."""
        if self._materialize is None:
            raise NotImplementedError
        self._materialize(responsibility)

    def discard(self) -> None:
        """The unit goes without having been made: it was removed, or stronger definitions have taken all its names."""


class Responsibility(Owned):
    """The duty to define what a unit promised, until it is settled, once: by `emit`, `link`, `look_up`, `fail` or `close`."""

    def __init__(self, handle: int, lent: Lent) -> None:
        self.jit = lent.jit
        # Why the unit has failed by settling, which all are told who asked.
        self._refused: Error | None = None
        self._own(ctypes.c_void_p(handle), library.uruk_responsibility_dispose)

    @property
    def name(self) -> str:
        """What the unit is called."""
        return copied_text(library.uruk_responsibility_name, self._handle)

    @property
    def dylib(self) -> Dylib:
        """What the definitions are for."""
        from .dylib import Dylib

        return Dylib(self.jit, made(library.uruk_responsibility_dylib, self._handle))

    def owed(self) -> list[str]:
        """The names that were promised and that no stronger definition has taken."""
        return self._list(library.uruk_responsibility_owed)

    def requested(self) -> list[str]:
        """Those of them that somebody has asked for by now. The others may be given back by `replace`."""
        return self._list(library.uruk_responsibility_requested)

    def _list(self, function: Callable[..., int]) -> list[str]:
        count = ctypes.c_size_t()
        check(function(self._handle, None, 0, ctypes.byref(count)))
        room = count.value
        names = (ctypes.c_uint32 * room)()
        # There may be more by now, or fewer.
        check(function(self._handle, names, room, ctypes.byref(count)))
        return [self.jit._text(number) for number in names[: min(room, count.value)]]

    def _names(self, names: Iterable[str]) -> Any:
        numbers = [self.jit._name(name) for name in names]
        return (ctypes.c_uint32 * len(numbers))(*numbers)

    def resolve(self, addresses: Mapping[str, Address]) -> None:
        """Says where definitions are, all of them or a part; functions of `ctypes` are kept. Others can refer to them from now on,
        and call them once they are emitted."""
        pairs = [_abi.uruk_resolved(self.jit._name(name), 0, address_of(address)) for name, address in addresses.items()]
        if any(not isinstance(address, int) for address in addresses.values()):
            self.keep(list(addresses.values()))
        check(library.uruk_responsibility_resolve(self._handle, (_abi.uruk_resolved * len(pairs))(*pairs), len(pairs)))

    def write(self, data: Buffer, kind: Kind = Kind.CODE, alignment: int = 16) -> int:
        """Copies bytes into memory where code runs, which goes when the unit is removed. Returns their address."""
        address = ctypes.c_uint64()
        check(library.uruk_responsibility_write(self._handle, kind, *content(data), alignment, ctypes.byref(address)))
        return address.value

    def add_initialisers(self, *functions: int) -> None:
        """Functions to run, in this order and with the arguments of `main`, when the dylib is initialised next."""
        check(library.uruk_responsibility_add_initialisers(self._handle, (ctypes.c_uint64 * len(functions))(*functions), len(functions)))

    def keep(self, thing: object) -> None:
        """Keeps an object until the unit is removed, or its JIT closed."""
        give(thing, lambda number: library.uruk_responsibility_keep(self._handle, number, destroyed))

    def define(self, definitions: Mapping[str, Definition]) -> None:
        """Promises more names."""
        array = _definitions(self.jit, definitions)
        check(library.uruk_responsibility_define(self._handle, array, len(array)))

    def delegate(self, *names: str) -> Responsibility:
        """Takes a part of the names over into a responsibility of its own, which is to be settled, too."""
        array = self._names(names)
        part = made(library.uruk_responsibility_delegate, self._handle, array, len(array))
        return Responsibility(part.value or 0, Lent(None, self.jit))

    def replace(self, unit: Unit) -> None:
        """Gives names back, with another unit that makes them if somebody asks."""
        _give_unit(self.jit, unit, lambda table: library.uruk_responsibility_replace(self._handle, table))

    def emit(self, *needs: str | tuple[Dylib, str]) -> None:
        """Says that the definitions are complete. They become ready together with all that they need: names, along the search order
        of the dylib, or of another that is given with the name."""
        pairs = [need if isinstance(need, tuple) else (None, need) for need in needs]
        raw = [_abi.uruk_need(handle_of(dylib), self.jit._name(name), 0) for dylib, name in pairs]
        self._settled(library.uruk_responsibility_emit(self._handle, (_abi.uruk_need * len(raw))(*raw), len(raw)))

    def link(self, data: Buffer, *, name: str | None = None) -> None:
        """Has an object linked that defines what was promised."""
        self._settled(library.uruk_responsibility_link(self._handle, text_if_any(name), *content(data)))

    def compile(self, language: str, source: Buffer | str, *, name: str | None = None) -> None:
        """Has a source compiled that defines what was promised, and the object linked. `language` is what files in it end with, or
        "clif", of which there has to be one function, or "bc"."""
        source = source.encode() if isinstance(source, str) else source
        words = (text(language), text_if_any(name), *content(source))
        self._settled(library.uruk_responsibility_compile(self._handle, *words))

    def fail(self, reason: str | BaseException) -> None:
        """Says that the definitions cannot be had, and why: an exception is the cause of the errors of all who asked."""
        message = self.jit._failures.text(reason) if isinstance(reason, BaseException) else text(reason)
        self._settled(library.uruk_responsibility_fail(self._handle, message))

    def _settled(self, status: int) -> None:
        try:
            super()._settled(status)
        except Error as error:
            if status != _abi.URUK_BUSY:
                self._refused = error
            raise

    def look_up(self, *names: str, then: Then, weak: bool = False, dynamic: bool = False, resolved: bool = False) -> None:
        """Looks up what is needed to go on, and goes on in `then`, on whatever thread that is, which gets another responsibility in
        place of this one and a future that is done. What it raises fails the unit."""
        from .dylib import lookup_flags

        array, flags = self._names(names), lookup_flags(weak, dynamic, resolved)

        def start(number: int) -> int:
            status: int = library.uruk_responsibility_look_up(self._handle, array, len(array), flags, _looked_up, number)
            return status

        give(Lent(then, self.jit), start)
        self._end.detach()


def _definitions(jit: Any, definitions: Mapping[str, Definition]) -> Any:
    pairs = [_abi.uruk_definition(jit._name(name), flags) for name, flags in definitions.items()]
    return (_abi.uruk_definition * len(pairs))(*pairs)


def _make(lent: Lent, handle: int, make: Callable[[Responsibility], object]) -> None:
    """Lets a responsibility be settled; one that cannot be has failed."""
    try:
        responsibility = Responsibility(handle, lent)
    except BaseException as error:
        lent.failures.leave("a unit", error)
        library.uruk_responsibility_dispose(handle)
        return
    try:
        make(responsibility)
    except BaseException as error:
        if error is responsibility._refused:
            return
        try:
            responsibility.fail(error)
        except Error:
            # It was settled before this was raised.
            lent.failures.leave("a unit", error)


@callback(_abi.uruk_unit, "materialize")
def _materialize(number: int, handle: int) -> None:
    one: Lent = take_back(number)
    _make(one, handle, one.thing.materialize)


@_abi.uruk_destroy
def _discarded(number: int) -> None:
    one: Lent = take_back(number)
    one.tell("`discard` of a unit", one.thing.discard)


@_abi.uruk_responsibility_callback
def _looked_up(number: int, handle: int, status: int, message: bytes | None, addresses: Any, count: int) -> None:
    one: Lent = take_back(number)
    future: Future[list[int]] = Future()
    answer(future, status, message, addresses, count)
    _make(one, handle, lambda responsibility: one.thing(responsibility, future))


def _give_unit(jit: Any, unit: Unit, call: Callable[[Any], int]) -> None:
    table = initialized(_abi.uruk_unit)
    table.name = text(unit.name)
    table.definitions = definitions = _definitions(jit, unit.definitions)
    table.definition_count = len(definitions)
    table.materialize, table.destroy = _materialize, _discarded
    give_table(Lent(unit, jit), table, call)


def define_unit(dylib: Dylib, unit: Unit, tracker: Tracker | None) -> None:
    """Gives a unit to the library, which keeps it until it is made, or goes."""
    _give_unit(dylib.jit, unit, lambda table: library.uruk_dylib_define_unit(dylib._handle, handle_of(tracker), table))
