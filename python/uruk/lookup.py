"""Look-ups that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, give, take_back
from ._library import decoded, library, texts
from .errors import error_of

if TYPE_CHECKING:
    from .dylib import Dylib

Then = Callable[["Future[list[int]]"], object]


def look_up(dylib: Dylib, names: Sequence[str], flags: int, then: Then | None) -> Future[list[int]]:
    """Starts a look-up, and returns what will have the addresses."""
    future: Future[list[int]] = Future()
    # Whoever waits must not take back what is being linked.
    future.set_running_or_notify_cancel()
    lent, array = Lent((future, then), dylib.jit), texts(names)
    give(lent, lambda number: library.uruk_lookup_start(dylib._handle, array, len(names), flags, _told, number))
    return future


def answer(future: Future[list[int]], status: int, message: bytes | None, addresses: Any, count: int) -> None:
    """Fills in a future what C says."""
    if status == _abi.URUK_OK:
        future.set_result([addresses[place] for place in range(count)])
    else:
        try:
            future.set_exception(error_of(status, decoded(message)))
        except BaseException as interrupt:
            future.set_exception(interrupt)


@_abi.uruk_lookup_callback
def _told(number: int, status: int, message: bytes | None, addresses: Any, count: int) -> None:
    lent = take_back(number)
    future, then = lent.thing
    lent.tell("a look-up", lambda: answer(future, status, message, addresses, count))
    if then is not None:
        lent.tell("a look-up's `then`", lambda: then(future))
