"""Compiling the kernels before they are needed, in a process that ends.

The first use of the kernels on a machine, or after an upgrade, compiles them for some ten seconds and
leaves more than a hundred megabytes with the compiler. A child process does it: what it
compiles is kept on disk, and the process that lives for months only loads it.
"""

from __future__ import annotations

import subprocess
import sys

from barograph.compiled import cache_stamp
from barograph.disk import Lock
from barograph.errors import StorageError
from barograph.log import get_logger

WITHIN_S = 300.0

log = get_logger()


def warm() -> None:
    """See to it that the compiled kernels are on disk. Takes no time when they are."""
    stamp = cache_stamp()
    if stamp is None or stamp.exists():
        return
    lock = Lock(stamp.with_name(f"{stamp.name}.lock"), "the kernels are being compiled")
    try:
        lock.acquire(WITHIN_S)  # recorder and trading begin together, and one of them is enough
        try:
            if not stamp.exists():
                log.info("compiling the kernels, which is done once")
                _compile()
                stamp.touch()
        finally:
            lock.release()
    except (OSError, StorageError, subprocess.SubprocessError) as error:
        # Then they are compiled where they are used: slower, larger, and right.
        log.warning("the kernels could not be compiled beforehand", problem=str(error))


def _compile() -> None:
    subprocess.run([sys.executable, "-m", "barograph.recorder.exercise"], check=True, timeout=WITHIN_S)
