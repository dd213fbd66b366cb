"""All reading of the dashboard: asked once for each state of the data, however many look at it.

Answers are kept by the *version* of what they were read from. For the tables that is how far they are
committed; it is looked at every two seconds at the most, so ten viewers of a live market cost
one query in two seconds, and an idle one none at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import streamlit as st

from barograph.dashboard.troubles import Unavailable, told_apart

if TYPE_CHECKING:
    from barograph.market import Market
    from barograph.recorder.live.statusfile import Reading
    from barograph.recorder.trading.figures import Figures
    from barograph.settings import Settings
    from barograph.store.opening import Location

T = TypeVar("T")
Of = Literal["tables", "trading"]
"""What an answer depends on: the tables; the ledger and archive of trades too."""

LOOK_EVERY_S = 2.0
"""How often the store is asked how far it is."""
KEPT = 200
"""Answers that are kept, the newest."""


class Data:
    """The data that the settings name, for all viewers of this process. Thread-safe.

    Every method raises :class:`Unavailable`, with a remedy, when the data cannot be read; nothing else.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._versions = Versions(self)
        self._opening = threading.Lock()

    @property
    def folder(self) -> Path:
        """The data directory."""
        return self._settings.data_dir

    @property
    def place(self) -> str:
        """Where the tables are, in words, without a password."""
        with told_apart():
            return str(self._where)

    @property
    def market(self) -> Market:
        """What was recorded; one for all viewers. Better ask through :meth:`ask`."""
        with told_apart():
            return self._market

    def version(self, of: Of = "tables") -> str:
        """What the data is now: it changes when there is something new to show."""
        return self._versions.now(of)

    def ask(self, question: str, arguments: Hashable, read: Callable[[Market], T], of: Of = "tables") -> T:
        """What ``read`` returns, read once for each state of the data.

        Args:
            question, arguments: name the answer; equal ones must mean equal answers.
            read: reads and reckons; what it returns must be picklable, and is the caller's own copy.
            of: what the answer depends on.
        """
        version = self.version(of)
        with told_apart():
            answer: T = _answer(str(self._where), version, question, arguments, read, self.market)
            return answer

    def ask_beside(self, question: str, arguments: Hashable, read: Callable[[], T]) -> T:
        """What ``read`` returns of things beside the store, such as backups; it is true for a minute.

        The store need not be there. See :meth:`ask`.
        """
        with told_apart():
            minute = str(int(time.time() // 60))
            answer: T = _answer(str(self.folder), minute, question, arguments, lambda _: read(), None)
            return answer

    def recorder(self) -> Reading | None:
        """What the recorder last said of itself; None where none ever ran."""
        from barograph.recorder.live.statusfile import read_status, status_path

        with told_apart():
            return read_status(status_path(self.folder), time.time_ns())

    def trader(self) -> Figures | None:
        """What the trading process last said of itself; None where none ever ran."""
        from barograph.recorder.trading.figures import read_figures

        with told_apart():
            return read_figures(self.folder)

    @cached_property
    def _where(self) -> Location:
        from barograph.store.opening import Location

        s3 = self._settings.s3
        if s3.use:
            bucket = f" in the bucket {s3.bucket}" if s3.bucket else ""
            raise Unavailable(
                f"The settings say that the tables are in S3{bucket} (s3.use, USE_S3), which this version "
                "does not read. Backups in S3 come to this machine with a sync; without the setting, the "
                "tables here are shown.",
                "barograph sync",
            )
        return Location.of(self._settings)

    @cached_property
    def _opened(self) -> Market:
        from barograph.market import connect

        return connect(self._where, f"{self._settings.query.memory_limit_mb}MB")

    @property
    def _market(self) -> Market:
        with self._opening:
            return self._opened


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _answer(
    place: str,
    version: str,
    question: str,
    arguments: Any,
    _read: Callable[[Any], Any],
    _market: Market | None,
) -> Any:
    del place, version, question, arguments  # they name the answer
    return _read(_market)


@dataclass
class Versions:
    """The states of the data, each looked at so often at the most.

    A store that does not answer is not asked again for as long: nine viewers do not wait for it one
    after the other.
    """

    data: Data
    _known: dict[str, tuple[float, str | Unavailable]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self, of: Of) -> str:
        """The version.

        Raises:
            Unavailable: the store does not tell.
        """
        with self._lock:
            at, found = self._known.get(of, (float("-inf"), ""))
            if time.monotonic() - at > LOOK_EVERY_S:
                found = self._look(of)
                self._known[of] = (time.monotonic(), found)
        if isinstance(found, Unavailable):
            raise Unavailable(found.reason, found.remedy, found.is_new)
        return found

    def _look(self, of: Of) -> str | Unavailable:
        try:
            with told_apart():
                return self._state(of)
        except Unavailable as unavailable:
            return unavailable

    def _state(self, of: Of) -> str:
        store = self.data.market.store
        tables = f"{store.lineage()}:{store.committed()}"
        return tables if of == "tables" else f"{tables}:{self._traded()}"

    def _traded(self) -> str:
        """Of the ledger and the archive; an archive in a database is looked at each ten seconds."""
        state, archive = self.data.folder / "state", self.data.folder / "lake" / "completed_trades"
        files = [state / "ledger.sqlite", state / "ledger.sqlite-wal", archive]
        if archive.is_dir():
            files += sorted(archive.iterdir())[-2:]
        stats = [path.stat() for path in files if path.exists()]
        seen = ",".join(f"{each.st_mtime_ns}.{each.st_size}" for each in stats)
        return seen if self.data.market.where.address is None else f"{seen};{int(time.time() // 10)}"
