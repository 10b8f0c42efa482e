"""Plugins: who takes part in links, and may change the graphs of objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, fill, give_table, lent
from ._library import decoded, initialized, library, text
from .errors import Error, error_of
from .graph import Graph

if TYPE_CHECKING:
    from .jit import Jit


@dataclass(frozen=True)
class PluginObject:
    """The object that a plugin is called for."""

    #: A number, which another object may have once this one has failed or has been removed.
    unit: int
    #: What messages call it: a path, or `archive(member)`.
    object: str
    dylib: str


class Plugin:
    """Takes part in links. Override what is of interest; each phase gets the object's graph, which is gone when it returns.

    Several threads may call at once, for several objects. Nothing may be looked up or added in here. What a phase raises is the
    cause of the error of the look-up; what the others raise the JIT's next call raises.
    """

    #: What messages call it.
    name = "a plugin"

    def pre_prune(self, object: PluginObject, graph: Graph) -> None:
        """The graph is as the object's file has it, and can be changed. Symbols that others see are added and dropped now."""

    def post_prune(self, object: PluginObject, graph: Graph) -> None:
        """What others have brought, and what nothing needs, is gone. The graph can be changed."""

    def post_allocation(self, object: PluginObject, graph: Graph) -> None:
        """All of the object has its address."""

    def pre_fixup(self, object: PluginObject, graph: Graph) -> None:
        """All addresses are known, those of what it refers to among them."""

    def post_fixup(self, object: PluginObject, graph: Graph) -> None:
        """All bytes are written, and can be changed for the last time."""

    def linked(self, object: PluginObject, graph: Graph) -> None:
        """The bytes are at their addresses, protected; nobody has been given a symbol yet."""

    def failed(self, object: PluginObject, error: Error) -> None:
        """The object could not be linked. Every object that `pre_prune` has seen is either linked or fails."""

    def removing(self, object: PluginObject) -> None:
        """A linked object is going; its memory is still there."""


def _object(raw: Any) -> PluginObject:
    return PluginObject(raw[0].unit, decoded(raw[0].object), decoded(raw[0].dylib))


def _phase(name: str) -> Any:
    @callback(_abi.uruk_plugin_callbacks, name)
    def phase(number: int, raw: Any, graph: int, message: Any) -> int:
        one: Lent = lent(number)
        return one.answer(message, lambda: getattr(one.thing, name)(_object(raw), Graph(graph)))

    return phase


@callback(_abi.uruk_plugin_callbacks, "linked")
def _linked(number: int, raw: Any, graph: int) -> None:
    one: Lent = lent(number)
    one.tell("`linked` of a plugin", lambda: one.thing.linked(_object(raw), Graph(graph)))


@callback(_abi.uruk_plugin_callbacks, "failed")
def _failed(number: int, raw: Any, status: int, message: bytes | None) -> None:
    one: Lent = lent(number)
    one.tell("`failed` of a plugin", lambda: one.thing.failed(_object(raw), error_of(status, decoded(message))))


@callback(_abi.uruk_plugin_callbacks, "removing")
def _removing(number: int, raw: Any) -> None:
    one: Lent = lent(number)
    one.tell("`removing` of a plugin", lambda: one.thing.removing(_object(raw)))


_PHASES = ("pre_prune", "post_prune", "post_allocation", "pre_fixup", "post_fixup")
_FUNCTIONS = {name: _phase(name) for name in _PHASES} | {"linked": _linked, "failed": _failed, "removing": _removing}


def add_plugin(jit: Jit, plugin: Plugin) -> None:
    """Gives a plugin to the library, which keeps it until the JIT is gone."""
    table = initialized(_abi.uruk_plugin_callbacks)
    table.name = text(plugin.name)
    table.destroy = destroyed
    fill(table, type(plugin), Plugin, _FUNCTIONS)
    give_table(Lent(plugin, jit), table, lambda raw: library.uruk_jit_add_plugin(jit._jit, raw))
