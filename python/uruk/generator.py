"""Generators: who is asked for what a dylib lacks."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, fill, give_table, lent
from ._library import Owned, initialized, library, text
from .errors import Error
from .function import Address

if TYPE_CHECKING:
    from .dylib import Dylib


@dataclass(frozen=True)
class Wanted:
    """What a look-up misses in a dylib."""

    #: To define things in.
    dylib: Dylib
    #: All of the names.
    names: list[str]
    #: Those that have to be defined; weak references are content with what is there anyway.
    required: list[str]
    #: Whether the running program asks, as by `dlsym`, and not a linker.
    dynamic: bool


class Suspended(Owned):
    """A look-up that waits for a generator, until it is finished, once, on any thread. One that is forgotten fails."""

    def __init__(self, handle: int, lent: Lent) -> None:
        self._failures = lent.failures
        self._own(ctypes.c_void_p(handle), _give_up)

    def finish(self, error: BaseException | None = None) -> None:
        """Lets the look-up go on with what has been defined meanwhile, or fail because of an exception."""
        message = None if error is None else self._failures.text(error)
        status = library.uruk_suspended_finish(self._handle, 0 if error is None else _abi.URUK_CALLBACK, message)
        self._settled(status)


def _give_up(handle: int) -> int:
    status: int = library.uruk_suspended_finish(handle, _abi.URUK_CALLBACK, b"it was forgotten")
    return status


class Generator:
    """Defines what a dylib lacks. Override one of the two methods.

    They may be called on several threads at once, and may look up, but not what they are asked for. What they raise is the cause of
    the error of the look-up.
    """

    #: What messages call it.
    name = "a generator"

    def generate(self, wanted: Wanted) -> None:
        """Defines those of the names that it can, by whatever defines something in a dylib."""
        raise NotImplementedError

    def generate_later(self, wanted: Wanted, suspended: Suspended) -> None:
        """The same, if it takes its time: returns at once, and the look-up goes on when `suspended` is finished."""
        raise NotImplementedError


class Resolver(Generator):
    """Defines names at the addresses that a function returns for them, unless that is None."""

    def __init__(self, resolve: Callable[[str], Address | None], name: str = "a resolver") -> None:
        self.resolve = resolve
        self.name = name

    def generate(self, wanted: Wanted) -> None:
        found = {name: self.resolve(name) for name in wanted.names}
        wanted.dylib.define_all({name: address for name, address in found.items() if address is not None})


def _wanted(lent: Lent, raw: Any) -> Wanted:
    from .dylib import Dylib

    jit, count = lent.jit, raw.count
    names = [(jit._text(raw.names[place].name), raw.names[place].required) for place in range(count)]
    required = [name for name, required in names if required]
    dynamic = raw.kind == _abi.URUK_LOOKED_UP_DYNAMICALLY
    return Wanted(Dylib(jit, raw.dylib), [name for name, _ in names], required, dynamic)


@callback(_abi.uruk_generator_callbacks, "generate")
def _generate(number: int, wanted: Any, message: Any) -> int:
    one: Lent = lent(number)
    return one.answer(message, lambda: one.thing.generate(_wanted(one, wanted[0])))


@callback(_abi.uruk_generator_callbacks, "generate_later")
def _generate_later(number: int, wanted: Any, handle: int) -> None:
    one: Lent = lent(number)
    suspended = Suspended(handle, one)
    try:
        one.thing.generate_later(_wanted(one, wanted[0]), suspended)
    except BaseException as error:
        try:
            suspended.finish(error)
        except Error:
            # It was finished before this was raised.
            one.failures.leave("`generate_later`", error)


def add_generator(dylib: Dylib, generator: Generator) -> None:
    """Gives a generator to the library, which keeps it until it is removed."""
    table = initialized(_abi.uruk_generator_callbacks)
    table.name = text(generator.name)
    table.destroy = destroyed
    fill(table, type(generator), Generator, {"generate": _generate, "generate_later": _generate_later})
    give_table(Lent(generator, dylib.jit), table, lambda raw: library.uruk_dylib_add_generator(dylib._handle, raw))
