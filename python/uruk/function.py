"""Functions of linked code, and what stands for an address."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

if TYPE_CHECKING:
    from .errors import Failures
    from .jit import Jit
    from .mapped import Mapped

#: Functions of `ctypes`, callbacks among them.
_CFuncPtr: Any = ctypes._CFuncPtr  # type: ignore[attr-defined]

#: A number, a `Function`, or a function or a variable of `ctypes`.
Address: TypeAlias = Union[int, "Function", Any]


def address_of(value: Address) -> int:
    """The number that C has for it."""
    if isinstance(value, int):
        return value
    if isinstance(value, Function):
        return value.address
    if isinstance(value, _CFuncPtr):
        return ctypes.cast(value, ctypes.c_void_p).value or 0
    if isinstance(value, ctypes._SimpleCData | ctypes.Array | ctypes.Structure | ctypes.Union):
        return ctypes.addressof(value)
    raise TypeError(f"{value!r} has no address: give a number, or something of ctypes")


def _argument(value: Any) -> Any:
    """What C gets for a Python value, which lives until the call is over."""
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, bool):
        return ctypes.c_int64(value)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise OverflowError(f"{value} does not fit 64 bits")
        return ctypes.c_int64(value) if value < 1 << 63 else ctypes.c_uint64(value)
    if isinstance(value, float):
        return ctypes.c_double(value)
    if isinstance(value, str):
        return ctypes.c_char_p(value.encode())
    if isinstance(value, bytes):
        return ctypes.c_char_p(value)
    if isinstance(value, ctypes._SimpleCData | ctypes._Pointer | ctypes.Array | ctypes.Structure | _CFuncPtr):
        return value
    view = memoryview(value)
    if not view.c_contiguous or view.readonly:
        raise TypeError("a buffer that is passed to a function has to be contiguous and writable")
    if view.nbytes == 0:
        return ctypes.c_void_p(None)
    return (ctypes.c_char * view.nbytes).from_buffer(view.cast("B"))


def c_function(failures: Failures, function: Callable[..., Any], restype: Any, argtypes: Sequence[Any]) -> Any:
    """A function that C calls. What it raises ctypes would print: it is left to whoever has called."""

    @functools.wraps(function)
    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except BaseException as error:
            failures.leave(f"`{getattr(function, '__name__', function)}`", error)
            return None if restype is None else 0

    return ctypes.CFUNCTYPE(restype, *argtypes)(guarded)


class Function:
    """A function, to be called with numbers, texts, and buffers: NumPy arrays, `bytearray`, `array.array`.

    Integers are passed as 64 bits, which is right for narrower parameters, too, and floats as `double`. It returns an `int` of
    C; set `restype`, and `argtypes` where conversions are wanted, as with functions of `ctypes`. It keeps its JIT, or its image, alive.
    """

    def __init__(self, owner: Jit | Mapped, name: str, address: int) -> None:
        self._owner = owner
        self.name = name
        self.address = address
        self.restype: Any = ctypes.c_int
        self.argtypes: Sequence[Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.argtypes is not None:
            result = ctypes.CFUNCTYPE(self.restype, *self.argtypes)(self.address)(*arguments)
        else:
            passed = [_argument(argument) for argument in arguments]
            result = ctypes.CFUNCTYPE(self.restype)(self.address)(*passed)
        # Its first calls may have linked others.
        self._owner._failures.raise_left()
        return result

    def __repr__(self) -> str:
        return f"<function {self.name} at {self.address:#x}>"
