"""Importing this has numba load what it knows of types, before the first kernel is loaded from disk."""

from numba.core.registry import cpu_target

cpu_target.target_context.refresh()
