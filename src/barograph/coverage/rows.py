"""What the ledger gives: rows of the table ``coverage``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from barograph.rows import Codes, Ints


class State(StrEnum):
    """What can be said of one minute of a symbol's channel."""

    COMPLETE = "complete"
    """Rows came, and none is missing."""
    REPAIRED = "repaired"
    """It was not complete and is now: a refill brought rows, or proved that there were none."""
    MISSING = "missing"
    """Rows are missing, or may be; the row's reason says why and for how long."""
    CLOSED = "closed"
    """The market was closed and nothing came."""
    IDLE = "idle"
    """The market was open, the connection was proven alive, and the venue sent nothing."""


WHOLE = (State.COMPLETE, State.REPAIRED, State.IDLE)
"""The states that count as up."""


class Written(NamedTuple):
    """One row, by names. ``record`` is the index of the record that made the ledger write it."""

    record: int
    minute_us: int
    venue: str
    symbol: str
    channel: str
    state: str
    messages: int
    reason: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class CoverageRows:
    """Rows of one run, as columns in the order in which they were written.

    ``record`` indexes the run, ``updated_us`` is that record's receipt time.
    """

    record: Ints
    updated_us: Ints
    minute_us: Ints
    venue: list[str]
    symbol: list[str]
    channel: list[str]
    state: list[str]
    messages: Ints
    reason: list[str | None]
    revision: Codes

    def __len__(self) -> int:
        return len(self.record)


def as_columns(written: list[Written], recv_us: Ints) -> CoverageRows:
    """The rows as columns."""
    by_column = list(zip(*written, strict=True)) if written else [() for _ in Written._fields]
    record, minute_us, venue, symbol, channel, state, messages, reason, revision = map(list, by_column)
    index = np.array(record, dtype=np.int64)
    return CoverageRows(
        index,
        recv_us[index],
        np.array(minute_us, dtype=np.int64),
        venue,
        symbol,
        channel,
        state,
        np.array(messages, dtype=np.int64),
        reason,
        np.array(revision, dtype=np.int32),
    )
