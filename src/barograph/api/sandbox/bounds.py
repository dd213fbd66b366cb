"""What a worker may take of the machine, said to the machine itself: whatever the engine does.

On POSIX systems; elsewhere time, rows and bytes are bounded all the same, and memory by the engine.
"""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

FILE_BYTES = 64 << 10
"""No file grows beyond this: no query spills to the disk that others record on. (An index of the
ledger's log, which SQLite may have to make before it can read, is smaller.)"""
_AROUND_MB = 512
"""Beside the memory of queries: the program itself, and the answer."""
_THREAD_MB = 16
_NICE, LAST = 5, 15
"""How far a query steps back behind the rest of the machine, and one that takes long behind the others."""
_FIRST_TO_GO = "1000"


def apply(memory_mb: int) -> None:
    """Bound this process, for ever."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(_NICE)
    _offer_ourselves()
    around_mb = max(_AROUND_MB, _held_mb() + _AROUND_MB // 2) + _THREAD_MB * (os.cpu_count() or 1)
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_DATA, (memory_mb + around_mb) << 20),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))


def cpu_s(pid: int) -> float:
    """What a process has computed so far, in seconds of one processor; NaN where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # there is such a file on Linux only
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _held_mb() -> int:
    """What this process has asked for so far, used or not: some libraries reserve much when they load."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # there is such a file on Linux only
        return 0
    return next((int(line.split()[1]) >> 10 for line in lines if line.startswith("VmData:")), 0)


def _offer_ourselves() -> None:
    """Where memory runs out, the system should end this process, and not the one that records."""
    with suppress(OSError):  # there is such a file on Linux only
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def memory_mb(limit_mb: int, workers: int) -> int:
    """The memory of one query where ``workers`` share what all may have."""
    return max(limit_mb // workers, 64)
