"""Errors, and how an exception in a callback becomes the cause of one.

C carries texts only. What it is given for an exception is a text with a mark, by which the exception is found again when an error
with that text arrives, on whatever thread and as often as it does. A JIT keeps what its callbacks have raised, until it is closed.
"""

from __future__ import annotations

import itertools
import re
import weakref
from collections import deque

from .constants import Status, meaning


class Error(Exception):
    """What went wrong, as the library says it. What a callback raised is its `__cause__`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        #: A `Status`.
        self.status: Status | int = meaning(Status, status)
        #: What callbacks have raised, the first of which is the `__cause__`.
        self.causes: tuple[BaseException, ...] = ()


class _Raised:
    """An exception of a callback, found as long as its JIT keeps it."""

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception


_numbers = itertools.count(1)
_raised: weakref.WeakValueDictionary[int, _Raised] = weakref.WeakValueDictionary()
_MARK = re.compile(r"\ue000(\d+)\ue001")
#: How many exceptions a JIT keeps for errors to come.
_KEPT = 100


def _described(exception: BaseException) -> str:
    return _MARK.sub("", f"{type(exception).__name__}: {exception}".replace("\0", "?"))


class Failures:
    """What callbacks of a JIT have raised."""

    def __init__(self) -> None:
        self._kept: deque[_Raised] = deque(maxlen=_KEPT)
        self._left: deque[tuple[str, BaseException]] = deque()

    def text(self, exception: BaseException) -> bytes:
        """What the library is given for it."""
        raised = _Raised(exception)
        number = next(_numbers)
        _raised[number] = raised
        self._kept.append(raised)
        return f"{_described(exception)}\ue000{number}\ue001".encode(errors="replace")

    def leave(self, what: str, exception: BaseException) -> None:
        """Keeps what a callback raised that cannot fail, for the JIT's next call."""
        self._left.append((what, exception))

    def raise_left(self) -> None:
        """Raises what was left, if something was."""
        left = self._take_left()
        if len(left) == 1 and isinstance(left[0][1], Error):
            raise left[0][1]
        if left:
            text = "; ".join(f"{what}: {_described(exception)}" for what, exception in left)
            raise _caused(Error(Status.CALLBACK, text), [exception for _, exception in left])

    def add_left(self, error: Error) -> None:
        """Adds what was left to the causes of an error."""
        _caused(error, [*error.causes, *(exception for _, exception in self._take_left())])

    def _take_left(self) -> list[tuple[str, BaseException]]:
        left = []
        while self._left:
            left.append(self._left.popleft())
        return left

    def forget(self) -> None:
        """No error will come any more."""
        self._kept.clear()


def error_of(status: int, text: str) -> Error:
    """The error for what the library says."""
    numbers = map(int, _MARK.findall(text))
    causes = [raised.exception for raised in map(_raised.get, dict.fromkeys(numbers)) if raised]
    return _caused(Error(status, _MARK.sub("", text)), causes)


def _caused(error: Error, causes: list[BaseException]) -> Error:
    causes = list({id(cause): cause for cause in causes}.values())
    for cause in causes:
        if not isinstance(cause, Exception):
            # Somebody wants the program to end, which is no mistake of a link.
            raise cause
    error.causes = tuple(causes)
    error.__cause__ = causes[0] if causes else None
    return error
