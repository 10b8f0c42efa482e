"""Memory managers written in Python, and the library's own with choices."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, fill, give, lend, lent, take_back
from ._library import Owned, check, decoded, initialized, library, made
from .constants import Kind, meaning

if TYPE_CHECKING:
    from .jit import Jit

#: Where a segment is written, and where it will be if that is another address.
Answer = int | tuple[int, int]


@dataclass(frozen=True)
class Section:
    """A section of an object, and where it lies in its segment."""

    name: str
    object: str
    offset: int
    size: int
    alignment: int
    kind: Kind | int
    until_finalize: bool


@dataclass(frozen=True)
class Segment:
    """Memory of one protection: its kind is CODE, RODATA or DATA."""

    kind: Kind | int
    readable: bool
    writable: bool
    executable: bool
    size: int
    zero_fill: int
    alignment: int
    sections: list[Section] = field(repr=False)


@dataclass(frozen=True)
class Request:
    """All memory of a batch of objects."""

    #: A number for the batch, which no other has.
    allocation: int
    #: What the code is for, as `x86_64-unknown-linux-gnu`.
    target: str
    #: Whether the memory has to be below 2 GiB.
    low: bool
    #: Whether the batch is larger than instructions reach, and refers by addresses of 64 bits where it matters.
    large: bool
    #: How far apart two bytes of the answer may lie; 0 if it does not matter.
    max_reach: int
    #: What messages call them, and their dylibs.
    objects: list[tuple[str, str]]
    segments: list[Segment]
    #: Sections in no segment: thread-local variables.
    other_sections: list[Section]


def steps(address: Any, count: int, size: int, structure: Any) -> list[Any]:
    """The elements of an array whose elements may be larger than this package knows."""
    start = ctypes.cast(address, ctypes.c_void_p).value or 0
    return [structure.from_address(start + index * size) for index in range(count)]


def _request(raw: Any) -> Request:
    parts = steps(raw.objects, raw.object_count, raw.object_size, _abi.uruk_memory_object)
    objects = [(decoded(part.name), decoded(part.dylib)) for part in parts]

    def sections(address: Any, count: int) -> list[Section]:
        return [
            Section(
                decoded(part.name),
                objects[part.object][0],
                part.offset,
                part.size,
                part.alignment,
                meaning(Kind, part.kind),
                part.lifetime == _abi.URUK_LIFETIME_UNTIL_FINALIZE,
            )
            for part in steps(address, count, raw.section_size, _abi.uruk_memory_section)
        ]

    segments = []
    for segment in steps(raw.segments, raw.segment_count, raw.segment_size, _abi.uruk_memory_segment):
        allowed = segment.protection
        segments.append(
            Segment(
                meaning(Kind, segment.kind),
                bool(allowed & _abi.URUK_PROTECTION_READ),
                bool(allowed & _abi.URUK_PROTECTION_WRITE),
                bool(allowed & _abi.URUK_PROTECTION_EXECUTE),
                segment.size,
                segment.zero_fill,
                segment.alignment,
                sections(segment.sections, segment.section_count),
            )
        )
    low, large = raw.placement == _abi.URUK_PLACEMENT_LOW, raw.code_model == _abi.URUK_CODE_MODEL_LARGE
    others = sections(raw.other_sections, raw.other_section_count)
    return Request(raw.allocation, decoded(raw.target), low, large, raw.max_reach, objects, segments, others)


class Memory:
    """What a JIT can have its memory from."""

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        """A handle for a JIT, which has it as long as it needs."""
        raise NotImplementedError


class Allocator:
    """What asks for memory are answers here. Override `allocate`, and whatever else is of interest."""

    def allocate(self, request: Request) -> Sequence[Answer]:
        """Returns, for each segment, its address where it is written, and the one where it will be if that is another: numbers, or
        pairs of them."""
        raise NotImplementedError

    def finalize(self, allocation: int) -> None:
        """All bytes are written: protects them. Not overridden, the library protects whole pages."""

    def abandon(self, allocation: int) -> None:
        """Nothing comes of it. Not overridden, `deallocate` is called."""

    def release(self, allocation: int, address: int, size: int) -> None:
        """A part is not needed any more."""

    def deallocate(self, allocation: int) -> None:
        """Nothing of it is needed any more."""


class Batch(Allocator):
    """What gives memory to one batch of objects, and is kept until that needs none any more: see `MemoryManager.batch`."""

    def __init__(self, manager: MemoryManager, request: Request) -> None:
        self.manager = manager


class MemoryManager(Allocator, Memory):
    """Gives memory to linked code.

    Callbacks may come from any thread; two for one JIT do not come at once. An exception in one is the cause of the error of the
    look-up that asked; where nobody can be told, the JIT's next call raises it. In them nothing may be looked up or added.
    """

    #: Each object is a request of its own.
    each_object = False
    #: What `allocate` gives is zero already; otherwise the library clears all of it.
    zeroed = False
    #: The library checks its table of callbacks each time before it calls one.
    hardened = False
    #: A class of which there is an object for each request, which is asked in place of this.
    batch: type[Batch] | None = None

    def span(self, low: bool) -> tuple[int, int]:
        """The first address of all that `allocate` will answer, and the one behind the last."""
        raise NotImplementedError

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        raw = initialized(_abi.uruk_memory_callbacks)
        flags = {
            _abi.URUK_MEMORY_SERIALIZE: True,
            _abi.URUK_MEMORY_EACH_OBJECT: self.each_object,
            _abi.URUK_MEMORY_ZEROED: self.zeroed,
            _abi.URUK_MEMORY_HARDENED: self.hardened,
        }
        raw.flags = sum(flag for flag, wanted in flags.items() if wanted)
        raw.allocate, raw.deallocate, raw.destroy = _allocate, _deallocate, _destroyed
        fill(raw, self.batch or type(self), Allocator, {"finalize": _finalize, "abandon": _abandon, "release": _release})
        fill(raw, type(self), MemoryManager, {"span": _span})
        if self.batch is not None:
            raw.create_context, raw.destroy_context = _create_context, _destroyed

        def create(number: int, handle: Any) -> int:
            raw.context = number
            status: int = library.uruk_memory_manager_create(ctypes.byref(raw), handle)
            return status

        with _for_jit(Lent(self, jit), create) as handle:
            yield handle


@contextmanager
def _for_jit(lent: Lent, create: Callable[[int, Any], int]) -> Iterator[ctypes.c_void_p]:
    """The handle of a manager for a JIT, which alone has it afterwards."""
    handle = ctypes.c_void_p()
    give(lent, lambda number: create(number, ctypes.byref(handle)))
    try:
        yield handle
    finally:
        check(library.uruk_memory_manager_dispose(handle))


def _field(name: str) -> Any:
    return callback(_abi.uruk_memory_callbacks, name)


@_field("destroy")
def _destroyed(number: int) -> None:
    take_back(number)


@_field("span")
def _span(number: int, placement: int, start: Any, end: Any, message: Any) -> int:
    one: Lent = lent(number)

    def span() -> None:
        start[0], end[0] = one.thing.span(placement == _abi.URUK_PLACEMENT_LOW)

    return one.answer(message, span)


@_field("create_context")
def _create_context(number: int, request: Any, created: Any, message: Any) -> int:
    one: Lent = lent(number)

    def create() -> None:
        created[0] = lend(one.with_thing(one.thing.batch(one.thing, _request(request[0]))))

    return one.answer(message, create)


@_field("allocate")
def _allocate(number: int, request: Any, answers: Any, message: Any) -> int:
    one: Lent = lent(number)

    def allocate() -> None:
        given = one.thing.allocate(_request(request[0]))
        if len(given) != request[0].segment_count:
            raise ValueError(f"{request[0].segment_count} segments are wanted, not {len(given)}")
        for index, place in enumerate(given):
            working, target = place if isinstance(place, tuple) else (place, place)
            answers[index].working, answers[index].target = working, target

    return one.answer(message, allocate)


@_field("finalize")
def _finalize(number: int, allocation: int, message: Any) -> int:
    one: Lent = lent(number)
    return one.answer(message, lambda: one.thing.finalize(allocation))


@_field("abandon")
def _abandon(number: int, allocation: int) -> None:
    one: Lent = lent(number)
    one.tell("`abandon` of a memory manager", lambda: one.thing.abandon(allocation))


@_field("release")
def _release(number: int, allocation: int, piece: Any) -> None:
    one: Lent = lent(number)
    one.tell("`release` of a memory manager", lambda: one.thing.release(allocation, piece[0].target, piece[0].size))


@_field("deallocate")
def _deallocate(number: int, allocation: int) -> None:
    one: Lent = lent(number)
    one.tell("`deallocate` of a memory manager", lambda: one.thing.deallocate(allocation))


class SectionMemory(Memory):
    """Memory as managers for MCJIT give it: section by section, called `.text`, `.rodata` and `.data`, for each batch of objects, and
    nothing is given back before the end. No two JITs may have one at a time."""

    def allocate_code(self, size: int, alignment: int, name: str) -> int:
        """The address of so many bytes for code."""
        raise NotImplementedError

    def allocate_data(self, size: int, alignment: int, name: str, read_only: bool) -> int:
        """The address of so many bytes for data."""
        raise NotImplementedError

    def finalize(self) -> None:
        """Protects all that was given so far."""
        raise NotImplementedError

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        functions = (_section_of_code, _section_of_data, _sections_final, _sections_gone)

        def create(number: int, handle: Any) -> int:
            status: int = library.uruk_memory_manager_create_sections(number, *functions, handle)
            return status

        with _for_jit(Lent(self, jit), create) as handle:
            yield handle


# The library takes no message from the first two: an address of 0 fails, and what is left becomes the cause.
def _section(number: int, allocate: Callable[[Any], int]) -> int:
    one, found = lent(number), []
    one.tell("a memory manager", lambda: found.append(allocate(one.thing)))
    return found[0] if found else 0


@_abi.uruk_allocate_code_section
def _section_of_code(number: int, size: int, alignment: int, _: int, name: bytes | None) -> int:
    return _section(number, lambda thing: thing.allocate_code(size, alignment, decoded(name)))


@_abi.uruk_allocate_data_section
def _section_of_data(number: int, size: int, alignment: int, _: int, name: bytes | None, read_only: int) -> int:
    return _section(number, lambda thing: thing.allocate_data(size, alignment, decoded(name), bool(read_only)))


@_abi.uruk_finalize_memory
def _sections_final(number: int, message: Any) -> int:
    one: Lent = lent(number)
    return one.answer(message, one.thing.finalize)


@_abi.uruk_destroy_memory
def _sections_gone(number: int) -> None:
    take_back(number)


class _Stock(Owned, Memory):
    """The library's own memory, with flags and addresses: the first, and how many."""

    def _make(self, flags: int, at: tuple[int, int]) -> None:
        raw = initialized(_abi.uruk_memory_options)
        raw.flags, (raw.start, raw.size) = flags, at
        self._own(made(library.uruk_memory_manager_create_stock, ctypes.byref(raw)), library.uruk_memory_manager_dispose)

    @contextmanager
    def _lent(self, jit: Jit) -> Iterator[Any]:
        yield self._handle


class StockMemory(_Stock):
    """The library's own memory: strict (never writable and executable by any way), below 2 GiB, at addresses (the first, and how many),
    in huge pages."""

    def __init__(self, *, strict: bool = False, low: bool = False, at: tuple[int, int] | None = None, huge_pages: bool = False) -> None:
        flags = {
            _abi.URUK_STOCK_STRICT: strict,
            _abi.URUK_STOCK_LOW: low,
            _abi.URUK_STOCK_AT: at is not None,
            _abi.URUK_STOCK_HUGE_PAGES: huge_pages,
        }
        self._make(sum(flag for flag, wanted in flags.items() if wanted), at or (0, 0))


@dataclass(frozen=True)
class Run:
    """What lies in memory that is only laid out: what a batch has of one protection. Its kind is CODE, RODATA or DATA."""

    kind: Kind | int
    address: int
    size: int
    writable: bool
    executable: bool


class LaidOutMemory(_Stock):
    """No memory at all, for `Jit(link_only=True)`: what is linked is laid out at addresses where nothing is, and kept to be read."""

    def __init__(self, start: int, size: int) -> None:
        self._make(_abi.URUK_STOCK_LAY_OUT | _abi.URUK_STOCK_AT, (start, size))

    def runs(self) -> list[Run]:
        """What lies there, in order of addresses."""
        count = ctypes.c_size_t()
        check(library.uruk_memory_manager_runs(self._handle, None, 0, ctypes.byref(count)))
        room = count.value
        found = (_abi.uruk_memory_run * room)()
        check(library.uruk_memory_manager_runs(self._handle, found, room, ctypes.byref(count)))
        return [_run(raw) for raw in found[: min(room, count.value)]]

    def read(self, address: int, size: int) -> bytes:
        """Final bytes, all of one run."""
        buffer = (ctypes.c_uint8 * size)()
        check(library.uruk_memory_manager_read(self._handle, address, buffer, size))
        return bytes(buffer)


def _run(raw: Any) -> Run:
    writable, executable = (bool(raw.protection & flag) for flag in (_abi.URUK_PROTECTION_WRITE, _abi.URUK_PROTECTION_EXECUTE))
    return Run(meaning(Kind, raw.kind), raw.target, raw.size, writable, executable)
