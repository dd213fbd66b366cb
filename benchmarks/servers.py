"""The venue servers' process (``venues.py``), as the one who started it sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, Any


class Servers:
    """The venue servers' process."""

    def __init__(self, *arguments: str, stderr: IO[str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.venues", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.addresses = self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def say(self, line: str) -> Any:
        """One command, and its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self._read()

    def made(self) -> dict[tuple[str, str, str], int]:
        """Events made, by venue, symbol and channel."""
        counts: dict[tuple[str, str, str], int] = {}
        for venue, told in self.say("report")["venues"].items():
            for symbol, channel, _, count in told["made"]:
                counts[venue, symbol, channel] = counts.get((venue, symbol, channel), 0) + count
        return counts

    def frames(self) -> int:
        """Frames handed to the connections that are open."""
        return sum(told["frames"] for told in self.say("report")["venues"].values())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.write("quit\n")
        self.process.stdin.flush()
        self.process.wait(20)
