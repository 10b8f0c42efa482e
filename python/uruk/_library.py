"""The shared library: found, looked at, and its functions with their types."""

import ctypes
import os
from pathlib import Path

from . import _abi


class Error(Exception):
    """What went wrong, as the library says it; `status` is one of the constants `STATUS_…`."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def _find():
    """The library that `URUK_LIBRARY` names, or the one that was installed with this package."""
    named = os.environ.get("URUK_LIBRARY")
    if named:
        return named
    here = sorted(Path(__file__).parent.glob("_uruk_c*"))
    if not here:
        raise ImportError(f"no library beside {__file__}: install the package, or let URUK_LIBRARY name liburuk_c.so")
    return str(here[0])


def _load():
    library = ctypes.CDLL(_find())
    for name, (result, arguments) in _abi.FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    if library.uruk_abi_version() < _abi.URUK_ABI_VERSION:
        raise ImportError(f"the library has version {library.uruk_abi_version()} of the interface, this package {_abi.URUK_ABI_VERSION}")
    for name, number in vars(_abi).items():
        if name.startswith("URUK_STRUCT_"):
            structure = getattr(_abi, "uruk_" + name.removeprefix("URUK_STRUCT_").lower())
            if library.uruk_struct_size(number) < ctypes.sizeof(structure):
                raise ImportError(f"the library is older than this package: it knows less of {structure.__name__}")
    return library


library = _load()


def check(status):
    """Raises the library's last failure unless the status is that of success."""
    if status != _abi.URUK_OK:
        size = library.uruk_last_message(None, 0)
        buffer = ctypes.create_string_buffer(size + 1)
        library.uruk_last_message(buffer, size + 1)
        raise Error(status, buffer.value.decode(errors="replace"))


def made(function, *arguments):
    """The handle that a function stores in its last place."""
    handle = ctypes.c_void_p()
    check(function(*arguments, ctypes.byref(handle)))
    return handle


def initialized(structure):
    """A structure that its `_init` function has filled in."""
    value = structure()
    check(getattr(library, structure.__name__ + "_init")(ctypes.byref(value), ctypes.sizeof(value)))
    return value


def texts(strings):
    """An array of texts for C."""
    return (ctypes.c_char_p * len(strings))(*(os.fsencode(string) for string in strings))
