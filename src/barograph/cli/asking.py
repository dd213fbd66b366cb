"""Asking before what cannot be undone."""

from __future__ import annotations

import sys


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; no where there is no person."""
    if not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
