"""A process that stands in for one of the house: ``standing_in.py FOLDER NAME HOW [ARGUMENT]``.

It notes in FOLDER/turns, a line each, when it begins and when it ends in order, and makes
FOLDER/NAME.ready.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

LINES, WIDTH = 400, 3_000


def note(folder: Path, what: str) -> None:
    """Add a line; a short one is written whole whoever else writes."""
    with (folder / "turns").open("a") as turns:
        turns.write(f"{what}\n")


def main(folder: Path, name: str, how: str, argument: str = "") -> int:
    """Do as ``how`` says until told to end."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda *_: note(folder, f"{name} reloads"))
    note(folder, f"{name} begins")
    if how == "ends":
        return int(argument)
    if how == "has-a-child":
        inner = Path(__file__), folder, f"{name}-inner", "deaf"
        subprocess.Popen([sys.executable, *map(str, inner)], stdin=subprocess.DEVNULL)
    if how == "talks":
        for number in range(LINES):
            stream = sys.stdout if number % 2 else sys.stderr
            stream.write(f"<{name} {number} {name * WIDTH}>\n")
            stream.flush()
        sys.stdout.write("ä without an end")
    if how == "tells":
        sys.stdout.write(os.environ.get(argument, "nothing") + "\n")
        sys.stdout.flush()
    if how != "idles":
        (folder / f"{name}.{os.getpid()}.ready").touch()
    while not told.wait(3600):
        pass
    note(folder, f"{name} ends")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
