"""Dispatchers: on which threads a JIT's tasks run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from typing import TYPE_CHECKING, Any

from . import _abi
from ._callbacks import Lent, callback, destroyed, fill, give, lent
from ._library import Owned, initialized, library

if TYPE_CHECKING:
    from .jit import Jit


class Task(Owned):
    """Something to be run once, on any thread: a unit to be made, say. One that is closed or forgotten is run by who waits for it."""

    def __init__(self, handle: int, idle: bool) -> None:
        #: Whether it is for when there is nothing else to do.
        self.idle = idle
        self._own(ctypes.c_void_p(handle), library.uruk_task_dispose)

    def run(self) -> None:
        """Runs it, unless somebody who waited for it has."""
        self._settled(library.uruk_task_run(self._handle))

    __call__ = run


class Dispatcher:
    """Decides where tasks run. Several threads may call at once. What is raised in here the JIT's next call raises."""

    def dispatch(self, task: Task) -> None:
        """Has a task run, now or later, on this thread or another, by `task.run`."""
        raise NotImplementedError

    def blocked(self) -> None:
        """A thread that runs a task begins to wait for others: another thread may be started in its place."""

    def unblocked(self) -> None:
        """It goes on."""


class PoolDispatcher(Dispatcher):
    """Has tasks run by a pool of threads of `concurrent.futures`, which has to live as long as its JIT."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    def dispatch(self, task: Task) -> None:
        self.pool.submit(task)


@callback(_abi.uruk_dispatcher_callbacks, "dispatch")
def _dispatch(number: int, handle: int, priority: int) -> None:
    one: Lent = lent(number)
    task = Task(handle, priority == _abi.URUK_PRIORITY_IDLE)
    try:
        one.thing.dispatch(task)
    except BaseException as error:
        one.failures.leave("`dispatch` of a dispatcher", error)
        # Whoever waits for it runs it; what was raised keeps it from being forgotten.
        task.close()


@callback(_abi.uruk_dispatcher_callbacks, "blocked")
def _blocked(number: int) -> None:
    one: Lent = lent(number)
    one.tell("`blocked` of a dispatcher", one.thing.blocked)


@callback(_abi.uruk_dispatcher_callbacks, "unblocked")
def _unblocked(number: int) -> None:
    one: Lent = lent(number)
    one.tell("`unblocked` of a dispatcher", one.thing.unblocked)


def lend_dispatcher(jit: Jit, chosen: Dispatcher | Pool | None, options: Any, create: Callable[[], ctypes.c_void_p]) -> ctypes.c_void_p:
    """Makes a JIT, which has its dispatcher until it is gone."""
    if chosen is None:
        return create()
    dispatcher = chosen if isinstance(chosen, Dispatcher) else PoolDispatcher(chosen)
    table = initialized(_abi.uruk_dispatcher_callbacks)
    table.dispatch, table.destroy = _dispatch, destroyed
    fill(table, type(dispatcher), Dispatcher, {"blocked": _blocked, "unblocked": _unblocked})
    # The library wants both or none.
    if table.blocked or table.unblocked:
        table.blocked, table.unblocked = _blocked, _unblocked
    made = []

    def with_table(number: int) -> int:
        table.context = number
        options.dispatcher = ctypes.pointer(table)
        made.append(create())
        return _abi.URUK_OK

    give(Lent(dispatcher, jit), with_table)
    return made[0]
