"""Worlds: what a program says of its memory, so that an image can be made of it.

Nothing that is said changes the running program. Memory is C's: whatever has an address here has to stay where it is until the image is
made, or `objects_moved` says where it is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from . import _abi
from ._callbacks import asked, asking, callback, telling, told
from ._library import Owned, check, copied_text, decoded, initialized, library, made, text, text_if_any, texts
from .constants import Pointer
from .function import Address, address_of


@dataclass(frozen=True)
class Tagged:
    """A pointer whose lowest bits say whether it is a reference: it is with these tags."""

    bits: int
    references: Collection[int]


#: Pointers by their offsets in an object or an element.
Pointers = Mapping[int, Pointer | Tagged]


@dataclass(frozen=True)
class Elements:
    """A part of an object that is as long as the object says, behind the fixed part."""

    #: Where the object says how many there are, and in how many bytes: 1, 2, 4 or 8.
    count: tuple[int, int]
    #: Bytes from one to the next.
    stride: int
    pointers: Pointers = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What a raw pointer is to point to in an image."""

    #: Where the pointer is.
    field: int
    #: None for a place of the world.
    symbol: str | None
    addend: int
    #: None for the one that is the default.
    version: str | None
    weak: bool
    #: The place of the world, if it is one.
    target: int


@dataclass(frozen=True)
class Share:
    """How much a root keeps that no root before it does; one without a name is for what only exported names keep."""

    root: str
    #: Objects and cells.
    places: int
    bytes: int


@dataclass(frozen=True)
class Finding:
    """A word that is no described pointer, and points into something that this process has mapped."""

    #: The way from a root, with the offset of the word: what `Image(allowed=…)` takes.
    path: str
    #: A file, `[stack]`, `[heap]`.
    mapping: str
    value: int


#: From an address to the beginning and the type of the object that has it, or ends there.
Heap = Callable[[int], tuple[int, int] | None]


_object_at = asked(callback(_abi.uruk_heap_callbacks, "object_at"))


@contextmanager
def lent_heap(heap: Heap | None) -> Iterator[Any]:
    """A table for C, as long as it asks. What the heap raises is the cause of an error."""
    if heap is None:
        yield None
        return

    def object_at(address: int, start: Any) -> int:
        found = heap(address)
        if found is None:
            return 0
        start[0] = found[0]
        return found[1]

    table = initialized(_abi.uruk_heap_callbacks)
    table.object_at = _object_at
    with asking("a heap", object_at) as table.context:
        yield ctypes.pointer(table)


_each_share, _each_finding, _each_entry = map(
    telling, (_abi.uruk_share_callback, _abi.uruk_finding_callback, _abi.uruk_entry_callback)
)


class Closure(Owned):
    """Everything that roots of a world lead to, as it was when it was found."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._own(handle, library.uruk_closure_dispose)

    def _size(self) -> tuple[int, int]:
        places, size = ctypes.c_uint64(), ctypes.c_uint64()
        check(library.uruk_closure_size(self._handle, ctypes.byref(places), ctypes.byref(size)))
        return places.value, size.value

    @property
    def places(self) -> int:
        """How many objects and cells there are."""
        return self._size()[0]

    @property
    def bytes(self) -> int:
        """How many bytes they have."""
        return self._size()[1]

    def shares(self) -> list[Share]:
        """How much each root keeps that no root before it does."""

        def meaning(raw: Any) -> Share:
            return Share(decoded(raw.root), raw.places, raw.bytes)

        return told(library.uruk_closure_shares, self._handle, each=_each_share, meaning=meaning)

    def findings(self) -> list[Finding]:
        """The words that would be wrong in an image."""

        def meaning(raw: Any) -> Finding:
            return Finding(decoded(raw.path), decoded(raw.mapping), raw.value)

        return told(library.uruk_closure_findings, self._handle, each=_each_finding, meaning=meaning)

    def path(self, address: Address) -> str | None:
        """The way from a root to an address of the program; None for an address of nothing that is kept."""
        return copied_text(library.uruk_closure_path, self._handle, address_of(address)) or None

    def unused_entries(self) -> list[int]:
        """Pointers that have entries and are of nothing that is kept."""
        count = ctypes.c_size_t()
        check(library.uruk_closure_unused_entries(self._handle, None, 0, ctypes.byref(count)))
        fields = (ctypes.c_uint64 * count.value)()
        check(library.uruk_closure_unused_entries(self._handle, fields, count.value, ctypes.byref(count)))
        return list(fields)


class World(Owned):
    """What a program says of its memory: types, objects, global cells, and what raw pointers are to point to in an image."""

    def __init__(self) -> None:
        self._own(made(library.uruk_world_create), library.uruk_world_dispose)

    def add_type(
        self,
        name: str,
        size: int,
        pointers: Pointers | None = None,
        *,
        alignment: int = 8,
        elements: Elements | None = None,
        constant: bool = False,
        packed: bool = False,
    ) -> int:
        """Adds a type, and returns its number. `constant`: nobody writes to its objects once they are made. `packed`: pointers may
        lie at any offset."""
        raw = initialized(_abi.uruk_object_type)
        raw.name, raw.size, raw.alignment = text(name), size, alignment
        raw.fields, raw.field_count = _fields(pointers or {})
        raw.flags = (_abi.URUK_OBJECT_TYPE_CONSTANT if constant else 0) | (_abi.URUK_OBJECT_TYPE_PACKED if packed else 0)
        if elements is not None:
            raw.count_offset, raw.count_width = elements.count
            raw.stride = elements.stride
            raw.element_fields, raw.element_field_count = _fields(elements.pointers)
        number = ctypes.c_uint32()
        check(library.uruk_world_add_type(self._handle, ctypes.byref(raw), ctypes.byref(number)))
        return number.value

    def add_object(self, address: Address, type: int) -> None:
        """Adds an object of the heap."""
        self.add_objects([(address, type)])

    def add_objects(self, objects: Iterable[tuple[Address, int]]) -> None:
        """Adds objects of the heap, which are addresses and types: all of them, or none if one cannot be added."""
        raw = [_abi.uruk_object(address_of(address), type) for address, type in objects]
        check(library.uruk_world_add_objects(self._handle, (_abi.uruk_object * len(raw))(*raw), len(raw)))

    def add_cell(self, name: str, address: Address, type: int) -> None:
        """Adds a global cell, which is a root, and a symbol of the image, under its name."""
        check(library.uruk_world_add_cell(self._handle, text(name), address_of(address), type))

    def remove_object(self, address: Address) -> None:
        """Forgets an object, with its entries."""
        check(library.uruk_world_remove_object(self._handle, address_of(address)))

    def objects_moved(self, moves: Iterable[tuple[int, int, int]]) -> None:
        """Follows objects that a collection has moved, all at once: where each was, where it is, and how many bytes it has."""
        raw = [_abi.uruk_move(*move) for move in moves]
        check(library.uruk_world_objects_moved(self._handle, (_abi.uruk_move * len(raw))(*raw), len(raw)))

    def export(self, name: str, address: Address) -> None:
        """Gives a place a name under which other code, or another image, can link to it."""
        check(library.uruk_world_export(self._handle, text(name), address_of(address)))

    def add_pointer(self, field: Address, symbol: str, *, addend: int = 0, version: str | None = None, weak: bool = False) -> None:
        """Says which symbol the raw pointer at an address is to point to in an image, so many bytes behind it. `weak`: it is null where
        nobody defines the symbol."""
        options = _options(addend, version, weak)
        check(library.uruk_world_add_pointer(self._handle, address_of(field), text(symbol), ctypes.byref(options)))

    def add_pointers(
        self, pointers: Iterable[tuple[Address, str]], *, addend: int = 0, version: str | None = None, weak: bool = False
    ) -> None:
        """The same of many pointers with their symbols: all, or none if one of them is wrong."""
        options, (fields, symbols, count) = _options(addend, version, weak), _columns(pointers)
        check(library.uruk_world_add_pointers(self._handle, fields, symbols, count, ctypes.byref(options)))

    def add_own_pointer(self, field: Address, target: Address) -> None:
        """Says that the raw pointer at an address is to point to this place of the world."""
        check(library.uruk_world_add_own_pointer(self._handle, address_of(field), address_of(target)))

    def add_named(self, symbols: Iterable[tuple[Address, str]], pointers: Iterable[tuple[Address, str]]) -> None:
        """Both lists of an image: places with the names under which others link to them, and raw pointers with their symbols. All of
        it is put in, or nothing."""
        check(library.uruk_world_add_named(self._handle, *_columns(symbols), *_columns(pointers)))

    def remove_pointer(self, field: Address) -> None:
        """Takes an entry back."""
        check(library.uruk_world_remove_pointer(self._handle, address_of(field)))

    def pointers(self) -> list[Entry]:
        """All entries, in order of their pointers' addresses."""

        def meaning(raw: Any) -> Entry:
            symbol, version = (None if name is None else decoded(name) for name in (raw.symbol, raw.version))
            return Entry(raw.field, symbol, raw.addend, version, bool(raw.flags & _abi.URUK_ENTRY_WEAK), raw.target)

        return told(library.uruk_world_pointers, self._handle, each=_each_entry, meaning=meaning)

    def trace(self, roots: Sequence[str], heap: Heap | None = None) -> Closure:
        """Finds everything that cells of these names lead to. The heap knows objects that were not added."""
        with lent_heap(heap) as table:
            return Closure(made(library.uruk_world_trace, self._handle, texts(roots), len(roots), table))


def _fields(pointers: Pointers) -> tuple[Any, int]:
    fields = [
        _abi.uruk_pointer_field(offset, Pointer.TAGGED, pointer.bits, sum(1 << tag for tag in set(pointer.references)))
        if isinstance(pointer, Tagged)
        else _abi.uruk_pointer_field(offset, pointer)
        for offset, pointer in pointers.items()
    ]
    return (_abi.uruk_pointer_field * len(fields))(*fields), len(fields)


def _options(addend: int, version: str | None, weak: bool) -> _abi.uruk_entry_options:
    options = initialized(_abi.uruk_entry_options)
    options.addend, options.version = addend, text_if_any(version)
    options.flags = _abi.URUK_ENTRY_WEAK if weak else 0
    return options


def _columns(pairs: Iterable[tuple[Address, str]]) -> tuple[Any, Any, int]:
    """Addresses and texts, each in an array of its own, and how many."""
    pairs = list(pairs)
    addresses = [address_of(address) for address, _ in pairs]
    return (ctypes.c_uint64 * len(pairs))(*addresses), texts(name for _, name in pairs), len(pairs)
