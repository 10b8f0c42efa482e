"""Images: what a JIT has linked and what a world has, as files that the system starts, loads or links, or that a process maps."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from . import _abi
from ._callbacks import telling, told
from ._library import Owned, check, decoded, handle_of, initialized, library, made, text, text_if_any, texts
from .constants import ImageKind
from .world import Heap, World, lent_heap

if TYPE_CHECKING:
    from .dylib import Dylib
    from .jit import Jit
    from .mapped import Mapped

Path = str | os.PathLike[str]


class Image(Owned):
    """The bytes of a file that has code of a JIT, data of a world, or both: `bytes(image)`, or `image.save(path)`.

    The program goes on as if nothing had happened; while it is looked at, nobody may write to what the image is to have.
    """

    def __init__(
        self,
        kind: ImageKind = ImageKind.EXECUTABLE,
        *,
        jit: Jit | None = None,
        dylibs: Sequence[Dylib] = (),
        world: World | None = None,
        roots: Sequence[str] = (),
        heap: Heap | None = None,
        allowed: Sequence[str] = (),
        main: str | None = None,
        address: int = 0,
        name: str | None = None,
        interpreter: Path | None = None,
        run_path: str | None = None,
        keep: Sequence[str] = (),
        libraries: Sequence[Path] = (),
        short_relocations: bool = True,
        strip: bool = False,
        stamp: str | None = None,
        stamp_layout: bool = False,
        same_builds: bool = False,
        base: Mapped | None = None,
    ) -> None:
        """`jit`, made with `retain_graphs=True`, has the code: that of its main dylib, or of `dylibs`. `world` has the data, of which
        `roots` are the cells to begin at, and `heap` knows objects that were not added. `allowed` has paths of findings that are right
        nevertheless.

        A program calls `main`, and lies at `address` if that is not 0; loaders know a shared object by `name`. `keep` are symbols of the
        code to keep, with all that they refer to; otherwise it is all that others can see. `libraries` have what the image does not
        define; otherwise it is those that this process has loaded. The loader, `interpreter`, looks in `run_path` before it does in the
        system's folders. `short_relocations`, of which loaders know since 2022, are not used if that is False. `strip` leaves out what only
        debuggers, symbolizers and backtraces look at.

        Of an image to be mapped, which need not have a `main`: `stamp`, and with `stamp_layout` the layout of the world's types, is what
        who loads it can ask for. `same_builds`: libraries have to be the very builds, not only define the same symbols. `libraries` are
        loaded with it; without any, who loads it has to have those that it uses. It may build on `base`, and has what has changed since
        that was loaded."""
        options = initialized(_abi.uruk_image_options)
        options.kind = kind
        options.flags = 0 if short_relocations else _abi.URUK_IMAGE_LONG_RELOCATIONS
        options.flags |= _abi.URUK_IMAGE_STRIP if strip else 0
        options.flags |= _abi.URUK_IMAGE_STAMP_LAYOUT if stamp_layout else 0
        options.flags |= _abi.URUK_IMAGE_SAME_BUILDS if same_builds else 0
        options.jit, options.world = None if jit is None else jit._jit, handle_of(world)
        options.dylibs = (ctypes.c_void_p * len(dylibs))(*(dylib._handle.value for dylib in dylibs))
        options.dylib_count = len(dylibs)
        options.roots, options.root_count = texts(roots), len(roots)
        options.allowed, options.allowed_count = texts(allowed), len(allowed)
        options.main, options.address, options.name = text_if_any(main), address, text_if_any(name)
        options.interpreter, options.run_path = text_if_any(interpreter), text_if_any(run_path)
        options.keep, options.keep_count = texts(keep), len(keep)
        options.libraries, options.library_count = texts(libraries), len(libraries)
        options.stamp, options.base = text_if_any(stamp), handle_of(base)
        with lent_heap(heap) as table:
            options.heap = table
            self._own(made(library.uruk_image_make, ctypes.byref(options)), library.uruk_image_dispose)

    def __bytes__(self) -> bytes:
        start, size = ctypes.POINTER(ctypes.c_uint8)(), ctypes.c_size_t()
        check(library.uruk_image_bytes(self._handle, ctypes.byref(start), ctypes.byref(size)))
        return ctypes.string_at(start, size.value)

    def save(self, path: Path) -> None:
        """Writes a file, which can be run if it is a program or a shared object, in the place of one that may be running."""
        check(library.uruk_image_save(self._handle, text(path)))


_each_text = telling(_abi.uruk_text_callback)


def describe(path: Path) -> str:
    """What the file of an image says of it, in several lines."""
    return "".join(told(library.uruk_image_describe, text(path), each=_each_text, meaning=decoded))


def differences(path: Path, other: Path) -> list[str]:
    """What is different in the file of another image, a line each."""
    return told(library.uruk_image_differences, text(path), text(other), each=_each_text, meaning=decoded)
