"""The one door to numba: kernels are plain Python that is compiled where numba is there.

A compiled function gives the same bits either way: no fastmath, ``math`` functions, sums
from left to right. ``BAROGRAPH_NO_NUMBA=1`` in the environment keeps numba out (small
function packages, and the test that both ways agree).
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def _find_compiler() -> Any:
    if os.environ.get("BAROGRAPH_NO_NUMBA") == "1":
        return None
    try:
        import numba
    except ImportError:
        return None
    return numba.njit


@cache
def _stamp(room: Path) -> tuple[float, int]:
    """Newest change and total size of a room's modules."""
    found = [path.stat() for path in room.glob("*.py")]
    return max(stat.st_mtime for stat in found), sum(stat.st_size for stat in found)


_njit = _find_compiler()

COMPILED = _njit is not None
"""Whether kernels of this process are machine code."""


def compiled(kernel: Callable[P, R]) -> Callable[P, R]:
    """``kernel`` as machine code where numba is there, else ``kernel`` itself.

    Compiled at the first call for each combination of argument types and kept on disk.
    Call it with the same dtypes and C-contiguous writeable arrays always: every other
    combination costs another compilation.
    """
    if _njit is None:
        return kernel
    dispatcher = _njit(cache=True, nogil=True)(kernel)
    # numba looks at a function's own file only, but the machine code on disk holds what it calls
    # in other modules too: with a changed one, the old code would be taken for good.
    cache_file = dispatcher._cache._cache_file  # noqa: SLF001
    room = _stamp(Path(inspect.getfile(kernel)).parent)
    cache_file._source_stamp = (cache_file._source_stamp, room)  # noqa: SLF001
    cache_file._load_index = _forgiving(cache_file._load_index)  # noqa: SLF001
    dispatcher._cache.save_overload = _sparing(dispatcher._cache.save_overload)  # noqa: SLF001
    return dispatcher  # type: ignore[no-any-return]


def cache_stamp() -> Path | None:
    """A file that stands beside the machine code on disk once all of it is there; None without a compiler.

    Its name changes with every change of a kernel's room, of the compiler and of Python.
    """
    if _njit is None:
        return None
    from numba import __version__

    package = Path(__file__).parent
    rooms = sorted({path.parent for path in package.rglob("*.py") if "compiled" in path.read_text("utf-8")})
    told = repr((__version__, sys.version, [(room.name, _stamp(room)) for room in rooms]))
    probe = compiled(_nothing)
    folder = Path(probe._cache.cache_path)  # type: ignore[attr-defined]  # noqa: SLF001
    return folder / f"warm-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _nothing(x: int) -> int:
    return x


def _forgiving(load: Callable[[], dict[Any, Any]]) -> Callable[[], dict[Any, Any]]:
    """``load``, but an index that another version of us has left behind counts as none.

    It is unpickled before its stamp is looked at, and may name classes that are gone.
    """

    def load_index() -> dict[Any, Any]:
        try:
            return load()
        except (AttributeError, ImportError, EOFError, pickle.UnpicklingError):
            return {}

    return load_index


def _sparing(save: Callable[..., None]) -> Callable[..., None]:
    """``save``, but without room on disk the machine code is used all the same, and made again next time."""

    def save_overload(*values: Any) -> None:
        with suppress(OSError):
            save(*values)

    return save_overload


def compiled_part(kernel: Callable[P, R]) -> Callable[P, R]:
    """As :func:`compiled`, for a function that only compiled functions call.

    It gets no door to Python and no place on disk of its own, which halves the compilation.
    """
    if _njit is None:
        return kernel
    return _njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(kernel)  # type: ignore[no-any-return]
