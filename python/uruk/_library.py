"""The shared library: found, looked at, and called: texts, bytes, handles."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import _abi
from .constants import Status
from .errors import Error, error_of

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self

Structure = TypeVar("Structure", bound=ctypes.Structure)


def _find() -> str:
    """The library that `URUK_LIBRARY` names, or the one that was installed with this package."""
    named = os.environ.get("URUK_LIBRARY")
    if named:
        return named
    here = sorted(Path(__file__).parent.glob("_uruk_c*"))
    if not here:
        raise ImportError(f"no library beside {__file__}: install the package, or let URUK_LIBRARY name liburuk_c.so")
    return str(here[0])


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(_find())
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        function = getattr(library, name, None)
        if function is None:
            raise ImportError(f"the library is older than this package: it has no `{name}`")
        function.restype, function.argtypes = result, arguments
    if library.uruk_abi_version() < _abi.URUK_ABI_VERSION:
        raise ImportError(f"the library has version {library.uruk_abi_version()} of the interface, this package {_abi.URUK_ABI_VERSION}")
    for name, number in vars(_abi).items():
        if name.startswith("URUK_STRUCT_"):
            structure = getattr(_abi, "uruk_" + name.removeprefix("URUK_STRUCT_").lower())
            if library.uruk_struct_size(number) < ctypes.sizeof(structure):
                raise ImportError(f"the library is older than this package: it knows less of {structure.__name__}")
    return library


library = _load()


def kept_error(handle: int) -> Error:
    """The error of a failure that the library keeps, which is let go of."""
    text = library.uruk_error_message(handle).decode(errors="replace")
    status = library.uruk_error_status(handle)
    library.uruk_error_dispose(handle)
    return error_of(status, text)


def check(status: int) -> None:
    """Raises this thread's last failure unless the status is that of success."""
    if status != Status.OK:
        raise kept_error(library.uruk_error_last())
    if _postponed:
        _dispose_of_postponed()


def made(function: Callable[..., int], *arguments: Any) -> ctypes.c_void_p:
    """The handle that a function stores in its last place."""
    handle = ctypes.c_void_p()
    check(function(*arguments, ctypes.byref(handle)))
    return handle


def initialized(structure: type[Structure]) -> Structure:
    """A structure that its `_init` function has filled in."""
    value = structure()
    check(getattr(library, structure.__name__ + "_init")(ctypes.byref(value), ctypes.sizeof(value)))
    return value


def text(string: str | os.PathLike[str] | bytes) -> bytes:
    """A text for C, which ends at the first zero."""
    encoded = os.fsencode(string)
    if b"\0" in encoded:
        raise ValueError(f"{string!r} has a zero, where texts of C end")
    return encoded


def text_if_any(string: str | os.PathLike[str] | None) -> bytes | None:
    """The same where there may be none."""
    return None if string is None else text(string)


def texts(strings: Iterable[str | os.PathLike[str]]) -> ctypes.Array[ctypes.c_char_p]:
    """An array of texts for C."""
    encoded = [text(string) for string in strings]
    return (ctypes.c_char_p * len(encoded))(*encoded)


def copied_text(function: Callable[..., int], *arguments: Any) -> str:
    """A text that a function copies, as far as there is room, and whose length it returns."""
    size = function(*arguments, None, 0)
    buffer = ctypes.create_string_buffer(size + 1)
    function(*arguments, buffer, size + 1)
    return buffer.value.decode(errors="replace")


def content(data: Buffer) -> tuple[Any, int]:
    """Bytes for C, and how many they are."""
    copy = bytes(memoryview(data))
    return ctypes.cast(ctypes.c_char_p(copy), ctypes.POINTER(ctypes.c_uint8)), len(copy)


def decoded(name: bytes | None) -> str:
    """A text that C has."""
    return (name or b"").decode(errors="replace")


def handle_of(thing: Any) -> Any:
    """The handle of something that there may be."""
    return None if thing is None else thing._handle


#: What could not be disposed of inside a callback of the linker, where a garbage collection may happen.
_postponed: deque[tuple[Callable[[int], int], int]] = deque()


def _dispose(function: Callable[[int], int], handle: int) -> int:
    status: int = function(handle)
    if status == Status.BUSY:
        _postponed.append((function, handle))
    return status


def _dispose_of_postponed() -> None:
    for _ in range(len(_postponed)):
        try:
            function, handle = _postponed.popleft()
        except IndexError:
            return
        _dispose(function, handle)


class Owned:
    """Something of the library's that is let go of with its object here, or earlier, by `close` or at the end of a `with`."""

    _handle: ctypes.c_void_p

    def _own(self, handle: ctypes.c_void_p, dispose: Callable[[int], int]) -> None:
        self._handle = handle
        self._end = weakref.finalize(self, _dispose, dispose, handle.value or 0)

    def close(self) -> None:
        """Lets go of it; closing it again does nothing."""
        status = self._end()
        if status not in (None, Status.OK, Status.BUSY, Status.GONE):
            check(status)

    def _settled(self, status: int) -> None:
        """The library has let go of it by itself, whatever came of that, unless it was too busy to look."""
        if status != Status.BUSY:
            self._end.detach()
        check(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
