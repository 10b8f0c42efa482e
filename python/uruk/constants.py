"""What numbers of the C interface mean."""

from __future__ import annotations

import enum
from typing import TypeVar

from . import _abi

Number = TypeVar("Number", bound=enum.IntEnum)


class Status(enum.IntEnum):
    """What kind of mistake an error is."""

    OK = _abi.URUK_OK
    NULL = _abi.URUK_NULL
    INVALID = _abi.URUK_INVALID
    NOT_UTF8 = _abi.URUK_NOT_UTF8
    NOT_A_HANDLE = _abi.URUK_NOT_A_HANDLE
    WRONG_KIND = _abi.URUK_WRONG_KIND
    GONE = _abi.URUK_GONE
    BAD_MAGIC = _abi.URUK_BAD_MAGIC
    ZERO_SIZE = _abi.URUK_ZERO_SIZE
    TOO_LARGE = _abi.URUK_TOO_LARGE
    TOO_SMALL = _abi.URUK_TOO_SMALL
    UNKNOWN_VERSION = _abi.URUK_UNKNOWN_VERSION
    HALF_PAIR = _abi.URUK_HALF_PAIR
    BUSY = _abi.URUK_BUSY
    TAMPERED = _abi.URUK_TAMPERED
    MISSING = _abi.URUK_MISSING
    DUPLICATE = _abi.URUK_DUPLICATE
    LINK = _abi.URUK_LINK
    MEMORY = _abi.URUK_MEMORY
    COMPILE = _abi.URUK_COMPILE
    EXECUTOR = _abi.URUK_EXECUTOR
    FILE = _abi.URUK_FILE
    CALLBACK = _abi.URUK_CALLBACK
    REMOVED = _abi.URUK_REMOVED
    UNSUPPORTED = _abi.URUK_UNSUPPORTED
    OTHER = _abi.URUK_OTHER
    PANIC = _abi.URUK_PANIC
    BAD_ALIGNMENT = _abi.URUK_BAD_ALIGNMENT
    OVERLAP = _abi.URUK_OVERLAP
    PAST_END = _abi.URUK_PAST_END
    OUT_OF_REACH = _abi.URUK_OUT_OF_REACH
    IMAGE = _abi.URUK_IMAGE
    STALE = _abi.URUK_STALE


class Kind(enum.IntEnum):
    """What memory is for."""

    CODE = _abi.URUK_KIND_CODE
    RODATA = _abi.URUK_KIND_RODATA
    DATA = _abi.URUK_KIND_DATA
    #: Of sections only.
    BSS = _abi.URUK_KIND_BSS
    #: Of sections only, which lie in no segment.
    TLS = _abi.URUK_KIND_TLS
    #: Of sections only: unwind records.
    EH = _abi.URUK_KIND_EH


class Optimize(enum.IntEnum):
    """How much compilers optimise."""

    #: What each compiler does by itself.
    DEFAULT = 0
    NONE = _abi.URUK_OPTIMIZE_NONE
    LITTLE = _abi.URUK_OPTIMIZE_LITTLE
    MUCH = _abi.URUK_OPTIMIZE_MUCH
    MOST = _abi.URUK_OPTIMIZE_MOST
    SIZE = _abi.URUK_OPTIMIZE_SIZE


class Definition(enum.IntFlag):
    """What a unit promises of a name: a variable, unless it says otherwise."""

    VARIABLE = 0
    FUNCTION = _abi.URUK_DEFINITION_FUNCTION
    #: It gives way to a strong definition.
    WEAK = _abi.URUK_DEFINITION_WEAK
    #: Other dylibs do not see it.
    HIDDEN = _abi.URUK_DEFINITION_HIDDEN
    #: It has no address: looking it up makes the unit materialize, and that is all.
    SIDE_EFFECTS_ONLY = _abi.URUK_DEFINITION_SIDE_EFFECTS_ONLY
    #: It stands for the unit's initialisers: the unit is materialized when its dylib is initialised.
    INITIALISER = _abi.URUK_DEFINITION_INITIALISER
    THREAD_LOCAL = _abi.URUK_DEFINITION_THREAD_LOCAL


class SectionKind(enum.IntEnum):
    """What a section of a graph has."""

    CODE = _abi.URUK_SECTION_CODE
    RODATA = _abi.URUK_SECTION_RODATA
    DATA = _abi.URUK_SECTION_DATA
    ZERO = _abi.URUK_SECTION_ZERO
    TLS_DATA = _abi.URUK_SECTION_TLS_DATA
    TLS_ZERO = _abi.URUK_SECTION_TLS_ZERO
    EH_FRAME = _abi.URUK_SECTION_EH_FRAME
    PDATA = _abi.URUK_SECTION_PDATA
    PREINIT = _abi.URUK_SECTION_PREINIT
    INIT = _abi.URUK_SECTION_INIT
    FINI = _abi.URUK_SECTION_FINI
    #: What nobody needs once the object is linked, as what actions read.
    SCRATCH = _abi.URUK_SECTION_SCRATCH
    #: Debug information and others that are not loaded.
    UNLOADED = _abi.URUK_SECTION_UNLOADED


class Place(enum.IntEnum):
    """Where a symbol of a graph is defined."""

    ELSEWHERE = _abi.URUK_SYMBOL_ELSEWHERE
    IN_BLOCK = _abi.URUK_SYMBOL_IN_BLOCK
    ABSOLUTE = _abi.URUK_SYMBOL_ABSOLUTE
    COMMON = _abi.URUK_SYMBOL_COMMON


class Binding(enum.IntEnum):
    """Who sees a symbol, and what becomes of a second definition."""

    LOCAL = _abi.URUK_BINDING_LOCAL
    GLOBAL = _abi.URUK_BINDING_GLOBAL
    WEAK = _abi.URUK_BINDING_WEAK
    UNIQUE = _abi.URUK_BINDING_UNIQUE


class Visibility(enum.IntEnum):
    """Whether other dylibs see a symbol."""

    DEFAULT = _abi.URUK_VISIBILITY_DEFAULT
    PROTECTED = _abi.URUK_VISIBILITY_PROTECTED
    HIDDEN = _abi.URUK_VISIBILITY_HIDDEN


class SymbolType(enum.IntEnum):
    """What a symbol stands for."""

    NONE = _abi.URUK_TYPE_NONE
    FUNCTION = _abi.URUK_TYPE_FUNCTION
    OBJECT = _abi.URUK_TYPE_OBJECT
    SECTION = _abi.URUK_TYPE_SECTION
    THREAD_LOCAL = _abi.URUK_TYPE_THREAD_LOCAL
    INDIRECT = _abi.URUK_TYPE_INDIRECT
    FILE = _abi.URUK_TYPE_FILE


class EdgeKind(enum.IntEnum):
    """What a field of a block is made of; others than these are plain numbers, which only the architecture has."""

    ABS64 = _abi.URUK_EDGE_ABS64
    ABS32 = _abi.URUK_EDGE_ABS32
    ABS32S = _abi.URUK_EDGE_ABS32S
    PC64 = _abi.URUK_EDGE_PC64
    PC32 = _abi.URUK_EDGE_PC32
    BRANCH32 = _abi.URUK_EDGE_BRANCH32
    GOTPCREL = _abi.URUK_EDGE_GOTPCREL


class Pointer(enum.IntEnum):
    """What a pointer of an object is to who looks for all that a root leads to."""

    #: To the beginning of an object, or null. The object is kept.
    REFERENCE = _abi.URUK_POINTER_REFERENCE
    #: Into an object, or right behind it, or null. The object is kept.
    INNER = _abi.URUK_POINTER_INNER
    #: To the beginning of an object, or null. Null in the image if nothing else keeps the object.
    WEAK = _abi.URUK_POINTER_WEAK
    #: A reference or something else, as its lowest bits say: see `Tagged`.
    TAGGED = _abi.URUK_POINTER_TAGGED
    #: An integer that is the address of data, which is right in an image only if `World.add_pointer` says what it points to.
    DATA = _abi.URUK_POINTER_DATA
    #: An integer that is the address of a function, in the same way.
    FUNCTION = _abi.URUK_POINTER_FUNCTION
    #: To a function that was linked here, or null. The function is kept.
    CODE = _abi.URUK_POINTER_CODE


class ImageKind(enum.IntEnum):
    """What an image is."""

    EXECUTABLE = _abi.URUK_IMAGE_EXECUTABLE
    SHARED_OBJECT = _abi.URUK_IMAGE_SHARED_OBJECT
    #: A relocatable object, which the system's linker takes together with others.
    OBJECT = _abi.URUK_IMAGE_OBJECT
    #: An image that `Mapped` maps into a process that runs.
    MAPPED = _abi.URUK_IMAGE_MAPPED


def meaning(kind: type[Number], number: int) -> Number | int:
    """A number by its name; one that a newer library has stays a number."""
    try:
        return kind(number)
    except ValueError:
        return number
