"""Signs of life of connections, out of a run: frames, and clock records that tell of pings and pongs."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from barograph.clock import NS_PER_US
from barograph.coverage.state import NEVER
from barograph.gaps import Alive
from barograph.records import Kind, Records
from barograph.rows import Ints

_alive = msgspec.json.Decoder(Alive)


@dataclass(frozen=True, slots=True)
class Proofs:
    """Of one connection: indices of records, ascending, and the newest sign of life up to each."""

    record: Ints
    newest_us: Ints

    def before(self, record: int) -> int:
        """The newest sign of life before that record; NEVER without one."""
        at = int(np.searchsorted(self.record, record))
        return int(self.newest_us[at - 1]) if at else NEVER

    def first_after(self, us: int, record: int) -> int | None:
        """The first sign of life after the moment ``us`` that stands before ``record``."""
        at = int(np.searchsorted(self.newest_us, us, side="right"))
        return int(self.newest_us[at]) if at < len(self.record) and self.record[at] < record else None


def proofs_of(run: Records, recv_us: Ints, stream: int) -> Proofs:
    """The signs of life of the connection ``stream`` in a run, by our clock."""
    of_stream = run.stream == stream
    index = np.flatnonzero(of_stream & ((run.kind == Kind.FRAME) | (run.kind == Kind.CLOCK)))
    times = recv_us[index]
    for k in np.flatnonzero(run.kind[index] == Kind.CLOCK).tolist():
        times[k] = min(_alive_us(run.payloads[index[k]]), times[k])
    return Proofs(index, np.maximum.accumulate(times) if len(times) else times)


def _alive_us(payload: bytes) -> int:
    """What a clock record says; nothing if it only says that time has passed."""
    try:
        return _alive.decode(payload).alive_ns // NS_PER_US if payload else NEVER
    except ValueError:
        return NEVER
