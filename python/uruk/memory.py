"""Memory managers written in Python, and the library's own with choices."""

import ctypes
from dataclasses import dataclass, field

from . import _abi
from ._library import initialized, library, made

CODE, RODATA, DATA, BSS, TLS, EH = (
    _abi.URUK_KIND_CODE,
    _abi.URUK_KIND_RODATA,
    _abi.URUK_KIND_DATA,
    _abi.URUK_KIND_BSS,
    _abi.URUK_KIND_TLS,
    _abi.URUK_KIND_EH,
)


@dataclass(frozen=True)
class Section:
    """A section of an object, and where it lies in its segment."""

    name: str
    object: str
    offset: int
    size: int
    alignment: int
    kind: int
    until_finalize: bool


@dataclass(frozen=True)
class Segment:
    """Memory of one protection: `kind` is CODE, RODATA or DATA."""

    kind: int
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

    allocation: int
    target: str
    low: bool
    max_reach: int
    objects: list[tuple[str, str]]
    segments: list[Segment]


def _steps(address, count, size, structure):
    """The elements of an array whose elements may be larger than this package knows."""
    start = ctypes.cast(address, ctypes.c_void_p).value
    return [structure.from_address(start + index * size) for index in range(count)]


def _request(raw):
    objects = [
        ((part.name or b"").decode(errors="replace"), (part.dylib or b"").decode(errors="replace"))
        for part in _steps(raw.objects, raw.object_count, raw.object_size, _abi.uruk_memory_object)
    ]
    segments = []
    for segment in _steps(raw.segments, raw.segment_count, raw.segment_size, _abi.uruk_memory_segment):
        sections = [
            Section(
                (part.name or b"").decode(errors="replace"),
                objects[part.object][0],
                part.offset,
                part.size,
                part.alignment,
                part.kind,
                part.lifetime == _abi.URUK_LIFETIME_UNTIL_FINALIZE,
            )
            for part in _steps(segment.sections, segment.section_count, raw.section_size, _abi.uruk_memory_section)
        ]
        has = [bool(segment.protection & bit) for bit in (1, 2, 4)]
        segments.append(Segment(segment.kind, *has, segment.size, segment.zero_fill, segment.alignment, sections))
    low = raw.placement == _abi.URUK_PLACEMENT_LOW
    return Request(raw.allocation, raw.target.decode(), low, raw.max_reach, objects, segments)


class MemoryManager:
    """Gives memory to linked code. Override `allocate` and `deallocate`, and whatever else is of interest.

    Callbacks may come from any thread. An exception in one is the error of the look-up that asked. In them nothing may be
    looked up or added.
    """

    #: Each object is a request of its own.
    each_object = False

    def __init__(self):
        self._errors = []
        raw = initialized(_abi.uruk_memory_callbacks)
        raw.flags = _abi.URUK_MEMORY_SERIALIZE | (_abi.URUK_MEMORY_EACH_OBJECT if self.each_object else 0)
        fields = dict(_abi.uruk_memory_callbacks._fields_)
        for name in ("allocate", "finalize", "abandon", "release", "deallocate", "span"):
            # What is not overridden is the library's.
            if getattr(type(self), name) is not getattr(MemoryManager, name):
                setattr(raw, name, fields[name](getattr(self, "_" + name)))
        # The table holds the functions that C calls.
        self._raw = raw
        self._handle = made(library.uruk_memory_manager_create, ctypes.byref(raw))

    def allocate(self, request):
        """Returns, for each segment, its address where it is written, and the one where it will be if that is another:
        numbers, or pairs of them."""
        raise NotImplementedError

    def finalize(self, allocation):
        """All bytes are written: protects them. Not overridden, the library does."""

    def abandon(self, allocation):
        """Nothing comes of it. Not overridden, `deallocate` is called."""

    def release(self, allocation, address, size):
        """A part is not needed any more."""

    def deallocate(self, allocation):
        """Nothing of it is needed any more."""

    def span(self, low):
        """The first address of all that `allocate` will answer, and the one behind the last."""
        raise NotImplementedError

    def close(self):
        """Lets go of the manager; a JIT that has it keeps it."""
        library.uruk_memory_manager_dispose(self._handle)
        self._handle = ctypes.c_void_p()

    def _guarded(self, message, call):
        try:
            call()
            return 0
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
            if message:
                message[0] = library.uruk_message(text.replace("\0", "?").encode())
            return 1

    def _allocate(self, _, request, answers, message):
        def allocate():
            given = self.allocate(_request(request[0]))
            if len(given) != request[0].segment_count:
                raise ValueError(f"{request[0].segment_count} segments are wanted, not {len(given)}")
            for index, place in enumerate(given):
                working, target = place if isinstance(place, tuple) else (place, place)
                answers[index].working, answers[index].target = working, target

        return self._guarded(message, allocate)

    def _finalize(self, _, allocation, message):
        return self._guarded(message, lambda: self.finalize(allocation))

    def _abandon(self, _, allocation):
        self._guarded(None, lambda: self.abandon(allocation))

    def _release(self, _, allocation, piece):
        self._guarded(None, lambda: self.release(allocation, piece[0].target, piece[0].size))

    def _deallocate(self, _, allocation):
        self._guarded(None, lambda: self.deallocate(allocation))

    def _span(self, _, placement, start, end, message):
        def span():
            start[0], end[0] = self.span(placement == _abi.URUK_PLACEMENT_LOW)

        return self._guarded(message, span)


class StockMemory:
    """The library's own memory: strict (never writable and executable by any way), below 2 GiB, at an address, in huge pages."""

    def __init__(self, *, strict=False, low=False, at=None, huge_pages=False):
        raw = initialized(_abi.uruk_memory_options)
        raw.flags = (
            (_abi.URUK_STOCK_STRICT if strict else 0)
            | (_abi.URUK_STOCK_LOW if low else 0)
            | (_abi.URUK_STOCK_AT if at else 0)
            | (_abi.URUK_STOCK_HUGE_PAGES if huge_pages else 0)
        )
        raw.start, raw.size = at or (0, 0)
        self._handle = made(library.uruk_memory_manager_create_stock, ctypes.byref(raw))

    close = MemoryManager.close
