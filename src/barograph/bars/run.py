"""What goes into the kernel and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from barograph.rows import Bars, Ints, Mask, Quotes, Ticks, none_of


@dataclass(frozen=True, slots=True)
class Run:
    """A run of consecutive records, and the rows that were made of them.

    Attributes:
        first_pos: tape position of the first record.
        recv_ns: int64, shape (n,): receipt times.
        kind: uint8, shape (n,): :class:`~barograph.records.Kind`.
        stream: uint32, shape (n,): the connection's number, unique on the tape.
        ticks: trades of all venues; ``record`` is the index in the run, ``instrument``
            numbers the instruments of all venues together, from 0 without large holes.
        quotes: best bids and asks, likewise.
        mark_record, mark_ts_us: messages that carry the venue's time but no row.

    Rows are flagged (``tables.Flag``) before they come here.
    """

    first_pos: int
    recv_ns: Ints
    kind: npt.NDArray[np.uint8]
    stream: npt.NDArray[np.uint32]
    ticks: Ticks = field(default_factory=lambda: none_of(Ticks))
    quotes: Quotes = field(default_factory=lambda: none_of(Quotes))
    mark_record: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    mark_ts_us: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.recv_ns)


class Unrevised(NamedTuple):
    """A minute that late rows should have changed, but its rows are no longer at hand."""

    instrument: int
    timestamp_us: int


@dataclass(frozen=True, slots=True)
class Advance:
    """What a run gave.

    Attributes:
        bars: minutes closed and revised, in the order in which that happened.
        late: over the run's ticks: came after their minute had been closed.
        unrevised: only without a Recall: minutes left as they were although rows came.
    """

    bars: Bars
    late: Mask
    unrevised: tuple[Unrevised, ...] = ()


class Recall(Protocol):
    """Where rows are read back from that have left the kernel's memory."""

    def rows(self, instrument: int, start_us: int, end_us: int) -> tuple[Ticks, Quotes]:
        """Rows with ``start_us <= ts_us < end_us`` that were given to earlier runs.

        In tape order, flags as they were; ``record`` is the tape position itself. While a
        run is being processed its own rows must not be among them.
        """
        ...
