"""Threads whose work can wait."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

BEHIND = 10
"""How much nicer than the rest; see sched(7): about a tenth of a processor's time where others want it."""


def behind_others() -> None:
    """Let this thread have the processor when other threads do not want it.

    For chores beside work that somebody waits for. Linux gives each thread a priority of its own
    (setpriority(2)); elsewhere, and where it is not allowed, nothing changes.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            nice = max(os.getpriority(os.PRIO_PROCESS, 0), BEHIND)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
