"""Calls from C: what it was lent is found by a number, and what callbacks raise is kept for whoever asked.

The functions that C calls are made once and stay, so that none goes while it runs. An object is kept from when C gets its number
until C says, by a `destroy`, that it has seen it for the last time.
"""

from __future__ import annotations

import copy
import ctypes
import itertools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from . import _abi
from ._library import check, library
from .constants import Status
from .errors import Error, Failures

if TYPE_CHECKING:
    from .jit import Jit

T = TypeVar("T")

_numbers = itertools.count(1)
_lent: dict[int, Any] = {}


class Lent:
    """An object that C has, and the JIT for which."""

    def __init__(self, thing: Any, jit: Jit) -> None:
        self.thing = thing
        # Whoever lends something to a JIT does not keep that from going.
        self._jit = weakref.ref(jit)
        self.failures: Failures = jit._failures

    def with_thing(self, thing: Any) -> Lent:
        """Another object for the same JIT."""
        other = copy.copy(self)
        other.thing = thing
        return other

    @property
    def jit(self) -> Jit:
        """The JIT."""
        jit = self._jit()
        if jit is None:
            raise RuntimeError("the JIT is going: nobody has it any more")
        return jit

    def answer(self, message: Any, call: Callable[[], object]) -> int:
        """Does what a callback is for that may fail."""
        try:
            call()
            return 0
        except BaseException as error:
            if message:
                message[0] = library.uruk_message(self.failures.text(error))
            return 1

    def tell(self, what: str, call: Callable[[], object]) -> None:
        """Does what a callback is for that cannot fail."""
        try:
            call()
        except BaseException as error:
            self.failures.leave(what, error)


def lend(thing: Any) -> int:
    """Keeps an object, and returns the number that C gets."""
    number = next(_numbers)
    _lent[number] = thing
    return number


def lent(number: int) -> Any:
    """The object of a number."""
    return _lent[number]


def take_back(number: int) -> Any:
    """Keeps an object no longer."""
    return _lent.pop(number, None)


def give(thing: Any, call: Callable[[int], int]) -> None:
    """Lends an object to C by a call that gets its number; if that fails, C does not have it."""
    number = lend(thing)
    try:
        check(call(number))
    except BaseException:
        take_back(number)
        raise


def give_table(thing: Any, table: ctypes.Structure, call: Callable[[Any], int]) -> None:
    """Lends an object to C by a call that gets a table of callbacks, whose context is its number."""

    def with_number(number: int) -> int:
        table.context = number
        return call(ctypes.byref(table))

    give(thing, with_number)


class _Asked:
    """A function that C asks, and what it has raised."""

    def __init__(self, function: Callable[..., int]) -> None:
        self.function = function
        self.raised: BaseException | None = None

    def ask(self, *arguments: Any) -> int:
        """What it answers; 0 as soon as it has raised something."""
        try:
            return self.function(*arguments) if self.raised is None else 0
        except BaseException as error:
            self.raised = error
            return 0


def asked(kind: Any) -> Any:
    """A callback of this type, by which C asks a function that is lent as `asking` does."""
    return kind(lambda number, *arguments: lent(number).ask(*arguments))


@contextmanager
def asking(what: str, function: Callable[..., int]) -> Iterator[int]:
    """Lends a function to C, as long as it asks, by a number. What that raises is the cause of an error."""
    question = _Asked(function)
    number = lend(question)
    try:
        yield number
    except Error as error:
        if question.raised is None:
            raise
        raise error from question.raised
    finally:
        take_back(number)
    if question.raised is not None:
        raise Error(Status.CALLBACK, f"{what}: {question.raised}") from question.raised


def told(function: Callable[..., int], *arguments: Any, each: Any, meaning: Callable[[Any], T]) -> list[T]:
    """All that a function tells of, by a callback that was made by `telling`."""
    all: list[T] = []
    number = lend(lambda raw: all.append(meaning(raw)))
    try:
        check(function(*arguments, number, each))
    finally:
        take_back(number)
    return all


def telling(kind: Any) -> Any:
    """A callback of this type, by which C tells of one structure, or text, after the other."""
    return kind(lambda number, raw: lent(number)(raw if isinstance(raw, bytes) else raw[0]))


@_abi.uruk_destroy
def destroyed(number: int) -> None:
    """C has seen an object for the last time."""
    take_back(number)


def callback(structure: type[ctypes.Structure], field: str) -> Any:
    """The type of a field of a table, which makes a function one that C calls."""
    return dict(structure._fields_)[field]  # type: ignore[arg-type]


def fill(table: ctypes.Structure, own: type, base: type, functions: dict[str, Any]) -> None:
    """Gives C those functions whose methods a class has not left as its base has them."""
    for name, function in functions.items():
        if getattr(own, name) is not getattr(base, name):
            setattr(table, name, function)
