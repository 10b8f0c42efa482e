"""JITs and their dylibs."""

import ctypes
import os
import weakref

from . import _abi
from ._library import check, initialized, library, made, texts
from .function import Function

_OPTIONS = {
    "strict_wx": _abi.URUK_JIT_STRICT_WX,
    "gc_sections": _abi.URUK_JIT_GC_SECTIONS,
    "retain_graphs": _abi.URUK_JIT_RETAIN_GRAPHS,
    "lazy": _abi.URUK_JIT_LAZY,
    "lazy_calls": _abi.URUK_JIT_LAZY_CALLS,
}


class Tracker:
    """Things of a dylib that are removed together."""

    def __init__(self, dylib):
        self.dylib = dylib
        self._handle = made(library.uruk_tracker_create, dylib._handle)

    def remove(self):
        """Removes what was added with it; its functions must not be called any more."""
        check(library.uruk_tracker_remove(self._handle))

    def transfer(self, other):
        """Moves what was added with it to another tracker of the same dylib."""
        check(library.uruk_tracker_transfer(self._handle, other._handle))

    def close(self):
        """Gives the tracker up; what it has stays."""
        check(library.uruk_tracker_dispose(self._handle))
        self._handle = ctypes.c_void_p()


class Dylib:
    """A part of a program with a name space of its own."""

    def __init__(self, jit, handle):
        self.jit = jit
        self._handle = handle

    @property
    def name(self):
        """What it is called."""
        size = library.uruk_dylib_name(self._handle, None, 0)
        buffer = ctypes.create_string_buffer(size + 1)
        library.uruk_dylib_name(self._handle, buffer, size + 1)
        return buffer.value.decode()

    def create_tracker(self):
        """Makes a tracker, to be given to what adds something."""
        return Tracker(self)

    def add_object(self, content, *, name=None, tracker=None):
        """Adds an object of any format, as bytes."""
        content = bytes(content)
        pointer = ctypes.cast(ctypes.c_char_p(content), ctypes.POINTER(ctypes.c_uint8))
        check(library.uruk_dylib_add_object(self._handle, _handle(tracker), _text(name), pointer, len(content)))

    def add_object_files(self, *paths, tracker=None):
        """Adds objects as one static link would take them."""
        check(library.uruk_dylib_add_object_files(self._handle, _handle(tracker), texts(paths), len(paths)))

    def add_file(self, path):
        """Adds an object or an archive."""
        check(library.uruk_dylib_add_file(self._handle, os.fsencode(path)))

    def add_archive(self, content, *, name=None):
        """Adds an archive, as bytes, whose members are linked when something refers to them."""
        content = bytes(content)
        pointer = ctypes.cast(ctypes.c_char_p(content), ctypes.POINTER(ctypes.c_uint8))
        check(library.uruk_dylib_add_archive(self._handle, _text(name), pointer, len(content)))

    def add_whole_archive(self, path):
        """Adds all members of an archive."""
        check(library.uruk_dylib_add_whole_archive(self._handle, os.fsencode(path)))

    def add_source_file(self, path):
        """Adds a source in C, C++ or another language of the system's compilers, compiled when something of it is needed."""
        check(library.uruk_dylib_add_source_file(self._handle, os.fsencode(path)))

    def add_c(self, text, *, name=None, tracker=None):
        """Compiles a text in C by the system's compiler and adds it."""
        self.add_source("c", text, name=name, tracker=tracker)

    def add_cpp(self, text, *, name=None, tracker=None):
        """Compiles a text in C++ by the system's compiler and adds it."""
        self.add_source("cpp", text, name=name, tracker=tracker)

    def add_source(self, language, text, *, name=None, tracker=None):
        """Compiles a text by the system's compiler and adds it; `language` is what files in it end with: "c", "cpp", "s"."""
        check(library.uruk_dylib_add_source(self._handle, _handle(tracker), language.encode(), _text(name), text.encode()))

    def add_ir(self, content, *, name=None, tracker=None):
        """Adds LLVM IR: bitcode as bytes, or a text. That needs the library's plugin, and so an installed LLVM."""
        content = content.encode() if isinstance(content, str) else bytes(content)
        pointer = ctypes.cast(ctypes.c_char_p(content), ctypes.POINTER(ctypes.c_uint8))
        check(library.uruk_dylib_add_ir(self._handle, _handle(tracker), _text(name), pointer, len(content)))

    def add_clif(self, text, *, name=None, tracker=None):
        """Adds functions in Cranelift's language."""
        check(library.uruk_dylib_add_clif(self._handle, _handle(tracker), _text(name), text.encode()))

    def add_library(self, path_or_soname):
        """Loads a shared library and offers its symbols in this dylib only."""
        check(library.uruk_dylib_add_library(self._handle, os.fsencode(path_or_soname)))

    def define(self, name, value):
        """Defines a name: as an address, or as a function of `ctypes` (`CFUNCTYPE(…)(python_function)`), which is kept."""
        address = value if isinstance(value, int) else ctypes.cast(value, ctypes.c_void_p).value
        symbol = _abi.uruk_symbol(name.encode(), address)
        check(library.uruk_dylib_define(self._handle, ctypes.byref(symbol), 1))
        self.jit._kept.append(value)

    def alias(self, name, target):
        """Defines another name for a symbol."""
        check(library.uruk_dylib_alias(self._handle, name.encode(), target.encode()))

    def lazy_reexport(self, source, *names):
        """Defines functions of another dylib that are linked when they are called first."""
        check(library.uruk_dylib_lazy_reexport(self._handle, source._handle, texts(names), len(names)))

    def link_against(self, *others):
        """Lets it find what it needs in others, before the process and in this order."""
        handles = (ctypes.c_void_p * len(others))(*(other._handle.value for other in others))
        check(library.uruk_dylib_link_against(self._handle, handles, len(others)))

    def set_search_order(self, *entries):
        """Where it looks: dylibs, or pairs of a dylib and whether what that hides is found, too."""
        pairs = [entry if isinstance(entry, tuple) else (entry, entry is self) for entry in entries]
        raw = (_abi.uruk_search_entry * len(pairs))(*((dylib._handle.value, int(hidden), 0) for dylib, hidden in pairs))
        check(library.uruk_dylib_set_search_order(self._handle, raw, len(pairs)))

    def address(self, name):
        """The address of a symbol, linked, initialised and ready to be used."""
        address = ctypes.c_uint64()
        check(library.uruk_lookup(self._handle, name.encode(), ctypes.byref(address)))
        return address.value

    def addresses(self, *names, weak=False, dynamic=False):
        """The addresses of several symbols, linked together; with `weak`, 0 for those that are missing."""
        found = (ctypes.c_uint64 * len(names))()
        flags = (_abi.URUK_LOOKUP_WEAK if weak else 0) | (_abi.URUK_LOOKUP_DYNAMIC if dynamic else 0)
        check(library.uruk_lookup_all(self._handle, texts(names), len(names), flags, found))
        return list(found)

    def function(self, name, restype=ctypes.c_int, argtypes=None):
        """A function, ready to be called."""
        function = Function(self.jit, name, self.address(name))
        function.restype, function.argtypes = restype, argtypes
        return function

    def __getitem__(self, name):
        return self.function(name)

    def initialize(self):
        """Links everything and runs the initialisers that have not run."""
        check(library.uruk_dylib_initialize(self._handle))

    def run(self, entry="main"):
        """Calls a function with the arguments of `main`, and returns its status."""
        status = ctypes.c_int32()
        check(library.uruk_dylib_run(self._handle, entry.encode(), ctypes.byref(status)))
        return status.value

    def call(self, name, *arguments):
        """Calls a function, wherever code runs, with at most six integers or addresses of there."""
        words = (ctypes.c_uint64 * len(arguments))(*(word & (1 << 64) - 1 for word in arguments))
        result = ctypes.c_uint64()
        check(library.uruk_dylib_call(self._handle, name.encode(), words, len(words), ctypes.byref(result)))
        return result.value

    def clear(self):
        """Removes everything that was defined in it."""
        check(library.uruk_dylib_clear(self._handle))

    def remove(self):
        """Removes it with everything in it."""
        check(library.uruk_dylib_remove(self._handle))


class Jit(Dylib):
    """A program that is put together and run. It is its main dylib, too.

    `jit = uruk.Jit(); jit.add_c("int f(int x) { return x + 1; }"); jit["f"](41)`
    """

    def __init__(self, *, memory=None, debugger=None, link_threads=0, compile_threads=0, **flags):
        options = initialized(_abi.uruk_options)
        for name, wanted in flags.items():
            if name not in _OPTIONS:
                raise TypeError(f"Jit() has no option {name!r}; it has {', '.join(sorted(_OPTIONS))}")
            options.flags |= _OPTIONS[name] if wanted else 0
        if debugger is not None:
            options.flags |= _abi.URUK_JIT_DEBUGGER if debugger else _abi.URUK_JIT_NO_DEBUGGER
        options.link_threads, options.compile_threads = link_threads, compile_threads
        if memory is not None:
            options.memory_manager = memory._handle
        # Callbacks that C has.
        self._kept = [memory]
        self._jit = made(library.uruk_jit_create, ctypes.byref(options))
        self._close = weakref.finalize(self, _destroy, self._jit, self._kept)
        super().__init__(self, made(library.uruk_jit_main, self._jit))

    def close(self):
        """Ends it: finalisers run, and the code goes. None of it may run, or be called any more."""
        self._close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def create_dylib(self, name):
        """Makes another dylib."""
        return Dylib(self, made(library.uruk_jit_create_dylib, self._jit, name.encode()))

    def find_dylib(self, name):
        """The dylib of a name, or None."""
        handle = made(library.uruk_jit_find_dylib, self._jit, name.encode())
        return Dylib(self, handle) if handle else None

    def load_library(self, path_or_soname):
        """Loads a shared library whose symbols every dylib then sees."""
        check(library.uruk_jit_load_library(self._jit, os.fsencode(path_or_soname)))

    def set_arguments(self, *arguments):
        """The arguments that `main` gets, the program's name first."""
        check(library.uruk_jit_set_arguments(self._jit, texts(arguments), len(arguments)))

    def memory_statistics(self):
        """What linked code and data take, in bytes, as a dictionary."""
        raw = _abi.uruk_memory_statistics()
        check(library.uruk_jit_memory_statistics(self._jit, ctypes.byref(raw)))
        return {
            "live": list(raw.live),
            "committed": list(raw.committed),
            "reserved": raw.reserved,
            "reservations": raw.reservations,
        }

    def quiesce(self):
        """Waits until everything that was removed is gone: for ever, if something that stays refers to it."""
        check(library.uruk_jit_quiesce(self._jit))


def _destroy(handle, kept):
    library.uruk_jit_destroy(handle)
    kept.clear()


def _handle(thing):
    return thing._handle if thing is not None else None


def _text(text):
    return None if text is None else os.fsencode(text)
