"""What is removed together, kept, or led elsewhere: trackers, pins, redirectable functions."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import _abi
from ._library import Owned, library, made, text
from .function import Address

if TYPE_CHECKING:
    from .dylib import Dylib


class Tracker(Owned):
    """Things of a dylib that are removed together. What it has when it is closed stays until its dylib is cleared."""

    def __init__(self, dylib: Dylib) -> None:
        self.dylib = dylib
        self._own(made(library.uruk_tracker_create, dylib._handle), library.uruk_tracker_dispose)

    def remove(self) -> None:
        """Removes what was added with it; its functions must not be called any more. It can be used again."""
        self.dylib._check(library.uruk_tracker_remove(self._handle))

    def transfer(self, other: Tracker) -> None:
        """Moves what was added with it to another tracker of the same dylib."""
        self.dylib._check(library.uruk_tracker_transfer(self._handle, other._handle))


class Pin(Owned):
    """Keeps a function or variable, and all that it refers to, from going when it is removed, until it is closed."""

    def __init__(self, dylib: Dylib, name: str) -> None:
        address, handle = ctypes.c_uint64(), ctypes.c_void_p()
        dylib._check(library.uruk_pin_create(dylib._handle, text(name), ctypes.byref(address), ctypes.byref(handle)))
        self._own(handle, library.uruk_pin_dispose)
        self.dylib = dylib
        #: Where it is.
        self.address = address.value


class Redirectable(Owned):
    """Functions that can be led elsewhere. They stay as they are when this is closed."""

    def __init__(self, dylib: Dylib, functions: Mapping[str, Address], tracker: Tracker | None) -> None:
        handle = ctypes.c_void_p()
        symbols = dylib._symbols(functions)
        tracked = tracker._handle if tracker else None
        dylib._check(library.uruk_dylib_define_redirectable(dylib._handle, tracked, symbols, len(symbols), ctypes.byref(handle)))
        self._own(handle, library.uruk_redirectable_dispose)
        self.dylib = dylib

    def redirect(self, targets: Mapping[str, Address]) -> None:
        """Leads functions to other addresses: all, or, if one of the names is not theirs, none."""
        symbols = self.dylib._symbols(targets)
        self.dylib._check(library.uruk_redirectable_redirect(self._handle, symbols, len(symbols)))

    def redirect_to(self, source: Dylib, targets: Mapping[str, str]) -> None:
        """Leads functions to symbols that a dylib finds, by their names: those are linked first, and kept."""
        pairs = [_abi.uruk_redirection(text(name), text(target)) for name, target in targets.items()]
        array = (_abi.uruk_redirection * len(pairs))(*pairs)
        self.dylib._check(library.uruk_redirectable_redirect_to(self._handle, source._handle, array, len(pairs)))


