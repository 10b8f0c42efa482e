"""The graph of an object: sections of blocks, symbols at places in blocks, and edges from fields of blocks to symbols.

What a graph has is numbered, and numbers stay what they are whatever is changed; but for edges, whose numbers are their places among
those of their block. What is asked for here is asked of the library each time. A graph that a plugin got is gone when its callback
returns: whatever is asked of it then is an `Error` with the status GONE.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _abi
from ._library import Owned, check, content, copied_text, library, text, text_if_any
from .constants import Binding, EdgeKind, Place, SectionKind, Status, SymbolType, Visibility, meaning
from .errors import Error

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _Part:
    """Something that a graph has."""

    def __init__(self, graph: Graph, number: int) -> None:
        self.graph = graph
        self.number = number

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.number))

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.number}>"


class Section(_Part):
    """A section."""

    def _raw(self) -> _abi.uruk_graph_section:
        return self.graph._described(library.uruk_graph_get_section, _abi.uruk_graph_section, self.number)

    @property
    def name(self) -> str:
        """As the object has it."""
        return copied_text(library.uruk_graph_section_name, self.graph._handle, self.number)

    @property
    def kind(self) -> SectionKind | int:
        """What it has."""
        return meaning(SectionKind, self._raw().kind)

    @property
    def retained(self) -> bool:
        """Whether a collection of sections keeps it."""
        return bool(self._raw().retained)

    @property
    def address(self) -> int:
        """Where it begins; 0 before it is known, and where it has no address."""
        return self._raw().address

    @property
    def size(self) -> int:
        """Up to its last byte; 0 where the address is."""
        return self._raw().size

    @property
    def blocks(self) -> Iterator[Block]:
        """Its blocks."""
        return (block for block in self.graph.blocks if block.section == self)

    def retain(self) -> None:
        """Lets a collection of sections keep it although nothing refers to it."""
        check(library.uruk_graph_retain_section(self.graph._handle, self.number))

    def add_block(self, data: Buffer, alignment: int = 1) -> Block:
        """Adds a block of bytes."""
        return Block(self.graph, self.graph._made(library.uruk_graph_add_block, self.number, *content(data), alignment))

    def add_zero_block(self, size: int, alignment: int = 1) -> Block:
        """Adds a block of bytes that start as zero, to a section of such a kind."""
        return Block(self.graph, self.graph._made(library.uruk_graph_add_zero_block, self.number, size, alignment))


class Block(_Part):
    """A block: bytes that stay together."""

    def _raw(self) -> _abi.uruk_graph_block:
        return self.graph._described(library.uruk_graph_get_block, _abi.uruk_graph_block, self.number)

    @property
    def section(self) -> Section:
        """What it is part of."""
        return Section(self.graph, self._raw().section)

    @property
    def live(self) -> bool:
        """Whether it was not dropped."""
        return bool(self._raw().live)

    @property
    def zero(self) -> bool:
        """Whether it has no bytes, and starts as zero."""
        return bool(self._raw().zero)

    @property
    def size(self) -> int:
        """Bytes."""
        return self._raw().size

    @property
    def alignment(self) -> int:
        """A power of two."""
        return self._raw().alignment

    @alignment.setter
    def alignment(self, alignment: int) -> None:
        check(library.uruk_graph_set_alignment(self.graph._handle, self.number, alignment))

    @property
    def address(self) -> int:
        """0 before it is known, and where it has none."""
        return self._raw().address

    @property
    def edges(self) -> list[Edge]:
        """Its edges, in order of their offsets."""
        return [Edge(self, place) for place in range(self._raw().edges)]

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of it: those of the object, or in `post_fixup` what was made of them."""
        size = self.size - offset if size is None else size
        buffer = (ctypes.c_uint8 * size)()
        check(library.uruk_graph_read(self.graph._handle, self.number, offset, buffer, size))
        return bytes(buffer)

    def write(self, data: Buffer, offset: int = 0) -> None:
        """Changes bytes of it: those of the object before allocation, or in `post_fixup` what will be at its address."""
        check(library.uruk_graph_write(self.graph._handle, self.number, offset, *content(data)))

    def replace(self, data: Buffer) -> None:
        """Gives it other bytes, perhaps more or fewer; its edges must still lie in it."""
        check(library.uruk_graph_set_content(self.graph._handle, self.number, *content(data)))

    def drop(self) -> None:
        """Drops it: what it defines is defined no more, and who still refers to it is refused."""
        check(library.uruk_graph_drop_block(self.graph._handle, self.number))

    def tie(self, to: Block) -> None:
        """Lets it live if another does."""
        check(library.uruk_graph_tie(self.graph._handle, self.number, to.number))

    def add_edge(self, offset: int, kind: EdgeKind | int, target: Symbol, addend: int = 0) -> None:
        """Adds an edge. The addend is as ELF has it: relative to the field."""
        edge = _abi.uruk_graph_edge(offset, kind, target.number, 0, addend)
        check(library.uruk_graph_add_edge(self.graph._handle, self.number, ctypes.byref(edge)))


class Edge:
    """A field of a block that depends on a symbol, as long as no edge before it is added or dropped."""

    def __init__(self, block: Block, place: int) -> None:
        self.block = block
        self.place = place
        raw = block.graph._described(library.uruk_graph_get_edge, _abi.uruk_graph_edge, block.number, place)
        #: Where the field is in its block.
        self.offset: int = raw.offset
        self.kind: EdgeKind | int = meaning(EdgeKind, raw.kind)
        self.target = Symbol(block.graph, raw.target)
        self.addend: int = raw.addend

    def __repr__(self) -> str:
        return f"<edge at {self.offset} of block {self.block.number} to {self.target.name or self.target}>"

    def retarget(self, target: Symbol) -> None:
        """Points it at another symbol."""
        check(library.uruk_graph_retarget(self.block.graph._handle, self.block.number, self.place, target.number))
        self.target = target

    def drop(self) -> None:
        """Drops it: its field keeps the bytes that the block has there."""
        check(library.uruk_graph_drop_edge(self.block.graph._handle, self.block.number, self.place))


class Symbol(_Part):
    """A symbol."""

    def _raw(self) -> _abi.uruk_graph_symbol:
        return self.graph._described(library.uruk_graph_get_symbol, _abi.uruk_graph_symbol, self.number)

    @property
    def name(self) -> str:
        """As the object has it; empty for what has none."""
        return copied_text(library.uruk_graph_symbol_name, self.graph._handle, self.number)

    @property
    def place(self) -> Place | int:
        """Where it is defined."""
        return meaning(Place, self._raw().definition)

    @property
    def block(self) -> Block | None:
        """The block where it is defined, if it is."""
        raw = self._raw()
        return Block(self.graph, raw.block) if raw.definition == Place.IN_BLOCK else None

    @property
    def value(self) -> int:
        """Offset in the block, or address, or alignment."""
        return self._raw().value

    @property
    def size(self) -> int:
        """Bytes; 0 where nobody says."""
        return self._raw().size

    @property
    def binding(self) -> Binding | int:
        """Who sees it, and what becomes of a second definition."""
        return meaning(Binding, self._raw().binding)

    @property
    def visibility(self) -> Visibility | int:
        """Whether other dylibs see it."""
        return meaning(Visibility, self._raw().visibility)

    @property
    def type(self) -> SymbolType | int:
        """What it stands for."""
        return meaning(SymbolType, self._raw().kind)

    @property
    def address(self) -> int:
        """0 where it is not known, or none."""
        return self._raw().address

    def move(self, block: Block, offset: int = 0) -> None:
        """Moves it to a place in a block: who refers to it refers to that."""
        check(library.uruk_graph_move_symbol(self.graph._handle, self.number, block.number, offset))

    def redirect(self, to: Symbol) -> int:
        """Points all edges to it at another symbol, but for those of unwind records, and returns how many they were."""
        count = ctypes.c_size_t()
        check(library.uruk_graph_redirect(self.graph._handle, self.number, to.number, ctypes.byref(count)))
        return count.value

    def drop(self) -> None:
        """Drops it, if no edge refers to it any more. Such as others see are dropped by `pre_prune` only."""
        check(library.uruk_graph_drop_symbol(self.graph._handle, self.number))


#: A number, a symbol, or a symbol and a distance from it.
Argument = int | Symbol | tuple[Symbol, int]


class Graph(Owned):
    """The graph of an object."""

    def __init__(self, handle: int) -> None:
        """One that is lent; it goes by itself."""
        self._handle = ctypes.c_void_p(handle)

    @classmethod
    def owned(cls, handle: int) -> Graph:
        """One that stays until it is closed."""
        graph = cls(handle)
        graph._own(graph._handle, library.uruk_graph_dispose)
        return graph

    def close(self) -> None:
        """Lets go of a retained graph; one that is lent goes by itself."""
        if hasattr(self, "_end"):
            super().close()

    def _described(self, function: Callable[..., int], structure: Any, *numbers: int) -> Any:
        description = structure()
        check(function(self._handle, *numbers, ctypes.byref(description)))
        return description

    def _made(self, function: Callable[..., int], *arguments: Any) -> int:
        number = ctypes.c_uint32()
        check(function(self._handle, *arguments, ctypes.byref(number)))
        return number.value

    def _counts(self) -> Any:
        return self._described(library.uruk_graph_count, _abi.uruk_graph_counts)

    @property
    def object(self) -> str:
        """What messages call its object."""
        return copied_text(library.uruk_graph_object, self._handle)

    @property
    def sections(self) -> Iterator[Section]:
        """Its sections."""
        return (Section(self, number) for number in range(self._counts().sections))

    @property
    def blocks(self) -> Iterator[Block]:
        """Its blocks, without those that were dropped."""
        blocks = (Block(self, number) for number in range(self._counts().blocks))
        return (block for block in blocks if block.live)

    @property
    def symbols(self) -> Iterator[Symbol]:
        """Its symbols."""
        # Number 0 is none.
        return (Symbol(self, number) for number in range(1, self._counts().symbols))

    def find(self, name: str) -> Symbol | None:
        """The symbol of a name: one that others see, or else the first local one; None if there is none."""
        try:
            return Symbol(self, self._made(library.uruk_graph_find_symbol, text(name)))
        except Error as error:
            if error.status != Status.MISSING:
                raise
            return None

    def __getitem__(self, name: str) -> Symbol:
        symbol = self.find(name)
        if symbol is None:
            raise KeyError(name)
        return symbol

    def external(self, name: str) -> Symbol:
        """The symbol of a name that others see, added as one that is defined elsewhere if there is none."""
        return Symbol(self, self._made(library.uruk_graph_external, text(name)))

    def add_section(self, name: str, kind: SectionKind) -> Section:
        """Adds a section."""
        return Section(self, self._made(library.uruk_graph_add_section, text(name), kind))

    def add_symbol(
        self,
        name: str | None = None,
        block: Block | None = None,
        value: int = 0,
        *,
        absolute: bool = False,
        size: int = 0,
        binding: Binding = Binding.LOCAL,
        visibility: Visibility = Visibility.DEFAULT,
        type: SymbolType = SymbolType.NONE,
    ) -> Symbol:
        """Adds a symbol: at an offset in a block; with `absolute`, at an address; otherwise it is defined elsewhere. Such as others
        see are added by `pre_prune` only."""
        place = Place.IN_BLOCK if block else Place.ABSOLUTE if absolute else Place.ELSEWHERE
        number = block.number if block else 0
        raw = _abi.uruk_graph_symbol(place, number, value, size, binding, visibility, type)
        return Symbol(self, self._made(library.uruk_graph_add_symbol, text_if_any(name), ctypes.byref(raw)))

    def add_action(
        self,
        finalize: Sequence[Argument] | None = None,
        deallocate: Sequence[Argument] | None = None,
    ) -> None:
        """Adds calls where code runs: one for when the object's memory is final, before anybody is given a symbol of it, and one for
        when it goes. Each is the symbol of a function of C, with at most six arguments, which returns a number of 64 bits, 0 if it succeeded."""
        calls = [None if call is None else _call(call) for call in (finalize, deallocate)]
        check(library.uruk_graph_add_action(self._handle, *(call and ctypes.byref(call) for call in calls)))


def _call(call: Sequence[Any]) -> _abi.uruk_graph_call:
    function, *arguments = call
    raw = []
    for argument in arguments:
        symbol, value = (None, argument) if isinstance(argument, int) else argument if isinstance(argument, tuple) else (argument, 0)
        raw.append(_abi.uruk_graph_argument(symbol.number if symbol else 0, 0, value))
    array = (_abi.uruk_graph_argument * len(raw))(*raw)
    return _abi.uruk_graph_call(function.number, len(raw), array)
