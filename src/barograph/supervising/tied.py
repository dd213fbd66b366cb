"""A process that does not outlive its parent: ``python -m barograph.supervising.tied SECONDS WHAT [WORDS]``.

``WHAT`` is ``-m MODULE`` or a script; it runs in this very process. Standard input is a pipe whose other end
the parent holds and nobody else has:

- when it ends, however the parent died, this process tells itself to end in an orderly way (SIGTERM), and
  after ``SECONDS`` kills itself and its own children;
- a line ``end`` on it is the parent's word to end, where there are no signals between processes (Windows).

What runs here sees an empty standard input. Linux could signal the parent's death by itself
(``PR_SET_PDEATHSIG``, prctl(2)); that comes when the thread dies that began us, before the parent is known to
be gone, and on Linux only. The pipe's end means the same everywhere.
"""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress

END = b"end\n"
_LATER_S = 5.0
"""The system's alarm comes so long after ours: for a process whose threads do not run any more."""


def main(words: list[str]) -> None:
    """Tie this process to its parent and run what ``words`` say."""
    patience_s, what, rest = float(words[0]), words[1], words[2:]
    _tie(patience_s)
    if what == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [what, *rest]
        runpy.run_path(what, run_name="__main__")


def _tie(patience_s: float) -> None:
    """Watch standard input from now on, and put an empty one in its place."""
    pipe = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    orphaned = threading.Event()
    atexit.register(_last, orphaned)  # the first to be registered is the last to be called
    threading.Thread(target=_watch, args=(pipe, patience_s, orphaned), name="parent", daemon=True).start()


def _watch(pipe: int, patience_s: float, orphaned: threading.Event) -> None:
    while True:
        try:
            said = os.read(pipe, 64)
        except OSError:
            said = b""
        if not said:
            break
        if said == END:
            _end()
    orphaned.set()
    _end()
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, patience_s + _LATER_S)
    time.sleep(patience_s)
    _kill()


def _end() -> None:
    """Have this process end in an orderly way."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)  # a SIGTERM of Windows ends at once
    else:
        os.kill(os.getpid(), signal.SIGTERM)


def _kill() -> None:
    """End at once, with all processes of our group if it is our own."""
    if sys.platform != "win32" and os.getpgid(0) == os.getpid():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _last(orphaned: threading.Event) -> None:
    """At this process' own end: without a parent nobody else would look for what it has begun."""
    if orphaned.is_set() and sys.platform != "win32":
        _kill()


if __name__ == "__main__":
    main(sys.argv[1:])
