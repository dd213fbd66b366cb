"""Memory given back to the system, so that months of bursts do not add up.

The C library keeps an arena for each thread and seldom returns what was freed in it; Arrow's
pool does the like. A process with few threads that work in turns needs few arenas, and can afford
to return the rest now and then. Source: mallopt(3), malloc_trim(3). Where the C
library is not glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

_ARENA_MAX = -8
_MMAP_THRESHOLD = -3
_DONTNEED = 4
"""madvise(2)"""
_ARENAS = 2
_MMAP_FROM_BYTES = 256 * 1024
"""Larger blocks get pages of their own, which go back to the system when they are freed."""


@cache
def _libc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None


def keep_few_arenas() -> None:
    """Have all threads share two arenas; before there are threads."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(_ARENA_MAX, _ARENAS)
        libc.mallopt(_MMAP_THRESHOLD, _MMAP_FROM_BYTES)


def one_allocator() -> None:
    """Have Arrow take its memory from the C library, which gives back what :func:`give_back` asks for.

    Arrow's own parts ask the pool that was chosen when it was loaded, whatever is said later: this has its
    whole effect only before the first import of pyarrow.
    """
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """Return to the system what is free or not needed. Takes some milliseconds; not for the event loop."""
    if "pyarrow" in sys.modules:
        import pyarrow as pa

        pa.default_memory_pool().release_unused()
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)
        for start, length in _compiler_code():
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), _DONTNEED)


def rss_bytes() -> int:
    """Memory of this process that is resident; 0 where the system does not tell it this way."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _compiler_code() -> list[tuple[int, int]]:
    """Where the compiler's instructions are mapped: used to load the kernels, and then no more.

    Only mappings that nobody can write to and that are executed: dropping them loses nothing,
    since what is needed after all is read from the library's file again.
    """
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, access, *_, name = line.split(None, 5)
        if access == "r-xp" and "libllvmlite" in name:
            start, end = (int(part, 16) for part in span.split("-"))
            found.append((start, end - start))
    return found
