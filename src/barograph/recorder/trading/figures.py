"""How the trading process does, as a file beside the recorder's: ``state/trade.status.json``."""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path

import msgspec

from barograph.clock import NS_PER_S
from barograph.disk import put_bytes, read_json
from barograph.log import get_logger
from barograph.recorder.saving import Saving

log = get_logger()

_KEPT = 4_096
"""Latencies remembered: those of the newest orders."""


class Figures(msgspec.Struct):
    """What the process tells.

    Attributes:
        pid, now_ns, started_ns: of whom, and when.
        next_pos: the record that is next.
        lag_s: how long ago the last record that it has traded over was received; 0 when nothing is new.
        trades_seen, minutes_seen: by strategies, since the start.
        opened, closed: positions, since the start.
        orders_ms: median and 99th percentile of the time from the receipt of the frame whose trade filled an
            order until that was in the ledger, of the newest orders; None before the first.
        pending: trades that the archive does not have, as far as is known.
        archived: trades archived since the start.
        halted: what a person said last, if it was not to resume.
        problem: what keeps it from going on; empty when nothing does.
        ended: whether it has ended in an orderly way.
    """

    pid: int = 0
    now_ns: int = 0
    started_ns: int = 0
    next_pos: int = 0
    lag_s: float = 0.0
    trades_seen: int = 0
    minutes_seen: int = 0
    opened: int = 0
    closed: int = 0
    orders_ms: tuple[float, float] | None = None
    archived: int = 0
    halted: str = ""
    problem: str = ""
    ended: bool = False
    strategies: tuple[str, ...] = ()


class Latencies:
    """Times from frame to order: the newest of them."""

    def __init__(self) -> None:
        self._ns: deque[int] = deque(maxlen=_KEPT)

    def add(self, took_ns: int) -> None:
        """An order took so long."""
        self._ns.append(took_ns)

    def quantiles_ms(self) -> tuple[float, float] | None:
        """Median and 99th percentile (nearest rank); None before the first."""
        if not self._ns:
            return None
        ordered = sorted(self._ns)
        last = len(ordered) - 1
        return ordered[last // 2] / 1e6, ordered[round(last * 0.99)] / 1e6


def figures_path(data: Path) -> Path:
    """Where the data directory ``data`` has the file."""
    return data / "state" / "trade.status.json"


def read_figures(data: Path) -> Figures | None:
    """The newest figures; None where nobody has traded here, or nothing can be read.

    Raises:
        StorageError: the file cannot be read.
    """
    path = figures_path(data)
    try:
        return read_json(path, Figures, f"reading {path}")
    except msgspec.DecodeError as error:
        log.warning("figures of trading unreadable", path=str(path), error=str(error))
        return None


class Telling:
    """Writes the figures of the data directory ``data``, beside the work. For one thread."""

    def __init__(self, data: Path) -> None:
        self._path = figures_path(data)
        self._saving = Saving("the figures of trading")

    def begin(self, figures: Figures) -> None:
        """Write them as they are now; nothing while those before are on their way to the disk."""
        if not self._saving.busy:
            self._saving.begin(partial(self._put, msgspec.json.encode(figures)), figures.next_pos)

    def tell(self, figures: Figures) -> None:
        """Return when they are written, or the log says why not."""
        self._saving.wait()
        self.begin(figures)
        self._saving.wait()

    def _put(self, content: bytes) -> None:
        put_bytes(self._path, content, f"writing {self._path}", alone=True)  # the ledger has a lock


def fresh(figures: Figures, now_ns: int, within_s: float = 5.0) -> bool:
    """Whether a process that lives wrote them just now."""
    return not figures.ended and 0 <= now_ns - figures.now_ns < within_s * NS_PER_S
