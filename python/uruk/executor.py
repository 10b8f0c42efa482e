"""Executors: processes where code runs, perhaps on other machines."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _abi
from ._library import Owned, check, content, copied_text, initialized, library, made, text, texts

if TYPE_CHECKING:
    from typing_extensions import Buffer, Self


class Executor(Owned):
    """A process where a JIT's code runs: `Jit(executor=…)`. Addresses are that process's; functions are called by `call` and `run`."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._own(handle, library.uruk_executor_dispose)

    @classmethod
    def start(cls, program: str | os.PathLike[str] | None = None, *arguments: str, **expected: Any) -> Self:
        """Starts a child: the program `uruk-executor`, or another that takes `--pipes IN,OUT` behind these arguments; without one,
        it is another Python. What is expected of it is as for `connect`."""
        if program is None:
            program, arguments = sys.executable, ("-m", "uruk")
        options = _options(**expected)
        handle = made(library.uruk_executor_start, text(program), texts(arguments), len(arguments), ctypes.byref(options))
        return cls(handle)

    @classmethod
    def connect(cls, address: str, **expected: Any) -> Self:
        """Connects to an executor that listens, at `tcp:HOST:PORT` or `unix:PATH`. What is expected of it: `secret`, bytes that both
        sides know; `patience`, in seconds, how long it may take to answer; `run_limit`, in seconds, how long code may run that is
        called; `shared_memory`, False if code goes over the connection anyway; `pass_streams`, True if programs there have this
        process's standard streams."""
        options = _options(**expected)
        return cls(made(library.uruk_executor_connect, text(address), ctypes.byref(options)))

    @property
    def triple(self) -> str:
        """What compilers call its machine."""
        return copied_text(library.uruk_executor_triple, self._handle)

    @property
    def process(self) -> int:
        """The number of its process, in the system where it runs."""
        number = ctypes.c_uint32()
        check(library.uruk_executor_process(self._handle, ctypes.byref(number)))
        return number.value

    def exit(self, status: int = 0) -> int:
        """Ends the process as `exit` does, waits for the rest of its output, and returns the status with which it ended."""
        ended = ctypes.c_int32()
        check(library.uruk_executor_exit(self._handle, status, ctypes.byref(ended)))
        return ended.value


def _options(
    *,
    secret: Buffer = b"",
    patience: float | None = None,
    run_limit: float | None = None,
    shared_memory: bool = True,
    pass_streams: bool = False,
) -> _abi.uruk_executor_options:
    options = initialized(_abi.uruk_executor_options)
    options.flags = 0 if shared_memory else _abi.URUK_EXECUTOR_NO_SHARED_MEMORY
    options.flags |= _abi.URUK_EXECUTOR_PASS_STREAMS if pass_streams else 0
    options.secret, options.secret_size = content(secret)
    options.patience, options.run_limit = _milliseconds(patience), _milliseconds(run_limit)
    return options


def _milliseconds(seconds: float | None) -> int:
    # 0 would mean that nothing was said.
    return 0 if seconds is None else max(1, round(seconds * 1000))


def serve(arguments: Sequence[str]) -> None:
    """Makes this process an executor, with the arguments of the program `uruk-executor`, until its controller is done. To be called
    while there are no other threads."""
    check(library.uruk_executor_serve(texts(arguments), len(arguments)))
