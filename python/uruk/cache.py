"""Caches: where what compilers make is kept, by keys of 32 bytes that say what it was made of."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, give_table, lent
from ._library import Owned, check, content, initialized, library, made, text
from .constants import Status
from .errors import Error

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from .jit import Jit

_KEY_SIZE = 32


def cache_key(compiler: str, *parts: Buffer) -> bytes:
    """The key of what a compiler makes: give all that it depends on, the compiler's version, options and input."""
    raw = [_abi.uruk_bytes(*content(part)) for part in parts]
    key = (ctypes.c_uint8 * _KEY_SIZE)()
    check(library.uruk_cache_key(text(compiler), (_abi.uruk_bytes * len(raw))(*raw), len(raw), key))
    return bytes(key)


class Cache:
    """A cache of one's own: override both methods. Several threads may call at once. A JIT whose cache raises something has less,
    and no more than that: the JIT's next call raises it."""

    #: What messages call it.
    name = "a cache in Python"

    def get(self, key: bytes) -> Buffer | None:
        """What it has under a key, or None."""
        raise NotImplementedError

    def put(self, key: bytes, data: bytes) -> None:
        """Keeps bytes under a key, if there is room."""
        raise NotImplementedError

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        """A handle for a JIT, which alone has it afterwards."""
        table = initialized(_abi.uruk_cache_callbacks)
        table.name = text(self.name)
        table.get, table.put, table.destroy = _get, _put, destroyed
        handle = ctypes.c_void_p()
        give_table(Lent(self, jit), table, lambda raw: library.uruk_cache_create(raw, ctypes.byref(handle)))
        try:
            yield handle
        finally:
            check(library.uruk_cache_dispose(handle))


class StockCache(Owned, Cache):
    """A cache of the library's."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._own(handle, library.uruk_cache_dispose)

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        yield self._handle

    def get(self, key: bytes) -> bytes | None:
        size, room = ctypes.c_size_t(), 0
        while True:
            buffer = (ctypes.c_uint8 * room)()
            try:
                check(library.uruk_cache_get(self._handle, _key(key), buffer, room, ctypes.byref(size)))
            except Error as error:
                if error.status != Status.MISSING:
                    raise
                return None
            if size.value <= room:
                return bytes(buffer[: size.value])
            room = size.value

    def put(self, key: bytes, data: Buffer) -> None:
        check(library.uruk_cache_put(self._handle, _key(key), *content(data)))


class MemoryCache(StockCache):
    """In memory, of so many bytes at most, which loses what was not used for long."""

    def __init__(self, limit: int) -> None:
        super().__init__(made(library.uruk_cache_create_memory, limit))


class DirectoryCache(StockCache):
    """In a folder, of so many bytes at most, for several processes at once."""

    def __init__(self, path: str | os.PathLike[str], limit: int) -> None:
        super().__init__(made(library.uruk_cache_create_directory, text(path), limit))


def _key(key: bytes) -> Any:
    if len(key) != _KEY_SIZE:
        raise ValueError(f"a key has {_KEY_SIZE} bytes, not {len(key)}")
    return (ctypes.c_uint8 * _KEY_SIZE)(*key)


@callback(_abi.uruk_cache_callbacks, "get")
def _get(number: int, key: Any, sink: int, message: Any) -> int:
    one: Lent = lent(number)

    def get() -> None:
        found = one.thing.get(ctypes.string_at(key, _KEY_SIZE))
        if found is not None:
            check(library.uruk_sink_put(sink, *content(found)))

    return _told(one, message, get)


@callback(_abi.uruk_cache_callbacks, "put")
def _put(number: int, key: Any, data: Any, size: int, message: Any) -> int:
    one: Lent = lent(number)
    return _told(one, message, lambda: one.thing.put(ctypes.string_at(key, _KEY_SIZE), ctypes.string_at(data, size)))


def _told(one: Lent, message: Any, call: Any) -> int:
    """The library makes do without what a cache does not give, so that nobody else would hear of it."""

    def noticed() -> None:
        try:
            call()
        except BaseException as error:
            one.failures.leave("a cache", error)
            raise

    return one.answer(message, noticed)
