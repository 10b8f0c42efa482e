"""JITs: programs that are put together and run."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

from . import _abi
from ._library import check, copied_text, handle_of, initialized, kept_error, library, made, text, texts, _dispose
from .cache import Cache
from .constants import Optimize
from .dispatcher import Dispatcher, lend_dispatcher
from .dylib import Dylib, Path
from .errors import Error, Failures
from .executor import Executor
from .function import Address, address_of, c_function
from .listener import Listener, add_listener
from .memory import Memory
from .plugin import Plugin, add_plugin

if TYPE_CHECKING:
    from typing_extensions import Self


class Jit(Dylib):
    """A program that is put together and run. It is its main dylib, too.

    `jit = uruk.Jit(); jit.add_c("int f(int x) { return x + 1; }"); jit["f"](41)`

    What callbacks raise is the cause of the error where something was asked for; what such callbacks raise that are only told
    something is raised by the JIT's next call, at the latest by `close`.
    """

    def __init__(
        self,
        *,
        memory: Memory | None = None,
        dispatcher: Dispatcher | Pool | None = None,
        cache: Cache | None = None,
        executor: Executor | None = None,
        debugger: bool | None = None,
        link_threads: int = 0,
        compile_threads: int = 0,
        optimize: Optimize = Optimize.DEFAULT,
        compiler_flags: Sequence[str] = (),
        lazy_failure: Address | Literal["raise"] = 0,
        strict_wx: bool = False,
        gc_sections: bool = False,
        retain_graphs: bool = False,
        lazy: bool = False,
        lazy_calls: bool = False,
        link_only: bool = False,
    ) -> None:
        """`memory` gives memory, `dispatcher` (or a pool of `concurrent.futures`) says where tasks run, `cache` keeps what
        compilers make, `executor` is where code runs. `compiler_flags` are for compilers of sources.

        `lazy_failure` is what is called instead of a function that cannot be made when it is first called. Without it the
        process ends. With "raise", such a call returns 0, and why it could not be made is raised once the function that Python
        has called returns: if code can bear a 0 for so long. The rest is as `URUK_JIT_…` of the header says."""
        self._failures = Failures()
        # What C has and says nothing of when it has seen it for the last time.
        instead = _left_by_first_calls(self) if lazy_failure == "raise" else lazy_failure
        self._kept: list[Any] = [instead]
        flags = {
            _abi.URUK_JIT_STRICT_WX: strict_wx,
            _abi.URUK_JIT_GC_SECTIONS: gc_sections,
            _abi.URUK_JIT_RETAIN_GRAPHS: retain_graphs,
            _abi.URUK_JIT_LAZY: lazy,
            _abi.URUK_JIT_LAZY_CALLS: lazy_calls,
            _abi.URUK_JIT_LINK_ONLY: link_only,
            _abi.URUK_JIT_DEBUGGER: debugger is True,
            _abi.URUK_JIT_NO_DEBUGGER: debugger is False,
        }
        options = initialized(_abi.uruk_options)
        options.flags = sum(flag for flag, wanted in flags.items() if wanted)
        options.link_threads, options.compile_threads = link_threads, compile_threads
        options.lazy_failure = address_of(instead)
        options.executor = handle_of(executor)
        options.compiler_flags, options.compiler_flag_count = texts(compiler_flags), len(compiler_flags)
        options.optimize = optimize
        with ExitStack() as stack:
            if memory is not None:
                options.memory_manager = stack.enter_context(memory._lent(self))
            if cache is not None:
                options.cache = stack.enter_context(cache._lent(self))
            self._jit = lend_dispatcher(self, dispatcher, options, lambda: made(library.uruk_jit_create, ctypes.byref(options)))
        self._end = weakref.finalize(self, _destroy, self._jit.value or 0, self._kept)
        super().__init__(self, made(library.uruk_jit_main, self._jit))

    def close(self) -> None:
        """Ends it: finalisers run, and the code goes. None of it may run, or be called any more."""
        status = self._end()
        if status is not None and status != _abi.URUK_BUSY:
            check(status)
        self._failures.forget()
        self._failures.raise_left()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def create_dylib(self, name: str) -> Dylib:
        """Makes another dylib."""
        return Dylib(self, made(library.uruk_jit_create_dylib, self._jit, text(name)))

    def find_dylib(self, name: str) -> Dylib | None:
        """The dylib of a name, or None."""
        handle = made(library.uruk_jit_find_dylib, self._jit, text(name))
        return Dylib(self, handle) if handle else None

    def load_library(self, path_or_soname: Path) -> None:
        """Loads a shared library whose symbols every dylib then sees."""
        check(library.uruk_jit_load_library(self._jit, text(path_or_soname)))

    def load_libraries_on_demand(self, *sonames: str) -> None:
        """Loads these shared libraries, in order, as long as something is missing that they may define."""
        check(library.uruk_jit_load_libraries_on_demand(self._jit, texts(sonames), len(sonames)))

    def add_plugin(self, plugin: Plugin) -> None:
        """Lets a plugin take part in all links from now on, after those that were added before."""
        add_plugin(self, plugin)

    def add_listener(self, listener: Listener) -> None:
        """Tells a listener of all that is linked from now on."""
        add_listener(self, listener)

    def callback(self, restype: Any, *argtypes: Any) -> Callable[[Callable[..., Any]], Any]:
        """Makes a function of Python one that C calls, with types of `ctypes`, as a decorator: for `define` and for arguments. If it
        raises something, C gets 0, and that is raised once the function that Python has called returns."""
        return lambda function: c_function(self._failures, function, restype, argtypes)

    def set_arguments(self, *arguments: str) -> None:
        """The arguments that `main` gets, the program's name first."""
        check(library.uruk_jit_set_arguments(self._jit, texts(arguments), len(arguments)))

    def memory_statistics(self) -> dict[str, Any]:
        """What linked code and data take, in bytes, as a dictionary."""
        raw = _abi.uruk_memory_statistics()
        check(library.uruk_jit_memory_statistics(self._jit, ctypes.byref(raw)))
        return {
            "live": list(raw.live),
            "committed": list(raw.committed),
            "reserved": raw.reserved,
            "reservations": raw.reservations,
        }

    def reports(self) -> Iterator[Error]:
        """Takes the failures that belong to no call, as of something that could not be removed."""
        while report := made(library.uruk_jit_take_report, self._jit):
            yield kept_error(report.value or 0)

    def quiesce(self) -> None:
        """Waits until everything that was removed is gone: for ever, if something that stays refers to it."""
        self._check(library.uruk_jit_quiesce(self._jit))

    def _name(self, string: str) -> int:
        """The number of a name."""
        number = ctypes.c_uint32()
        check(library.uruk_name_intern(self._jit, text(string), ctypes.byref(number)))
        return number.value

    def _text(self, number: int) -> str:
        """The text of a name."""
        return copied_text(library.uruk_name_text, self._jit, number)


def _left_by_first_calls(jit: Jit) -> Any:
    """A function of C that leaves why functions could not be made for whoever has called."""
    known = weakref.ref(jit)

    def leave() -> int:
        caller = known()
        if caller is not None:
            for report in caller.reports():
                caller._failures.leave("a first call", report)
        return 0

    return ctypes.CFUNCTYPE(ctypes.c_int64)(leave)


def _destroy(handle: int, kept: list[Any]) -> int:
    # The library may destroy it later, when it is not asked inside a callback any more.
    status = _dispose(library.uruk_jit_destroy, handle)
    if status != _abi.URUK_BUSY:
        kept.clear()
    return status
