"""Functions of linked code."""

import ctypes


def _argument(value):
    """What C gets for a Python value, and what has to live until the call is over."""
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
    if isinstance(value, ctypes._SimpleCData | ctypes._Pointer | ctypes.Array | ctypes.Structure | ctypes._CFuncPtr):
        return value
    view = memoryview(value)
    if not view.c_contiguous or view.readonly:
        raise TypeError("a buffer that is passed to a function has to be contiguous and writable")
    if view.nbytes == 0:
        return ctypes.c_void_p(None)
    return (ctypes.c_char * view.nbytes).from_buffer(view.cast("B"))


class Function:
    """A function, to be called with numbers, texts, and buffers: NumPy arrays, `bytearray`, `array.array`.

    Integers are passed as 64 bits, which is right for narrower parameters, too, and floats as `double`. It returns an `int` of
    C; set `restype`, and `argtypes` where conversions are wanted, as with functions of `ctypes`. It keeps its JIT alive.
    """

    def __init__(self, owner, name, address):
        self._owner = owner
        self.name = name
        self.address = address
        self.restype = ctypes.c_int
        self.argtypes = None

    def __call__(self, *arguments):
        if self.argtypes is not None:
            return ctypes.CFUNCTYPE(self.restype, *self.argtypes)(self.address)(*arguments)
        passed = [_argument(argument) for argument in arguments]
        return ctypes.CFUNCTYPE(self.restype)(self.address)(*passed)

    def __repr__(self):
        return f"<function {self.name} at {self.address:#x}>"
