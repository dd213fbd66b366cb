"""Memory given back to the system, so that months of bursts do not add up.

The C library keeps an arena for each thread and seldom returns what was freed in it; Arrow's
pool does the like. A process with few threads that work in turns needs few arenas, and can afford
to return the rest now and then. Source: mallopt(3), malloc_trim(3). Where the C
library is not glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_ARENA_MAX = -8
_MMAP_THRESHOLD = -3
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
    """Have Arrow take its memory from the C library, which gives back what :func:`give_back` asks for."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def give_back() -> None:
    """Return to the system what is free. Takes some milliseconds; not for the event loop."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)
