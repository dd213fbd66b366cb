"""The kernel against a model that is as simple as it is slow: all rows kept, all recomputed, always."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.bars import BarKernel, BarSettings, BarState, Run
from barograph.bars.batch import batch, unused_flags
from barograph.errors import DataError, SettingsError, UsageError
from barograph.records import Kind
from barograph.rows import Bars, concatenate
from barograph.snapshot import pack, unpack

VERSIONING = ("record", "as_of_us", "revision")
VALUES = [f.name for f in fields(Bars) if f.name not in VERSIONING]


class Model:
    """The semantics of docs/bars.md, written down a second time without any economy."""

    def __init__(self, rules: BarSettings) -> None:
        self.rules = rules
        self.live: dict[int, int] = {}
        self.ended: set[int] = set()
        self.carried: dict[int, set[int]] = defaultdict(set)
        self.watermark: dict[int, int] = {}
        self.emitted: dict[tuple[int, int], tuple[bytes, int]] = {}

    def play(self, run: Run) -> tuple[list[tuple], list[bool]]:
        """Every emission as (record, start, instrument, revision, bits), and which ticks were late."""
        self.run, out, late = run, [], []
        for record in range(len(run)):
            of = {name: getattr(run, name).record == record for name in ("ticks", "quotes")}
            stream, kind = int(run.stream[record]), int(run.kind[record])
            reached_us = int(run.recv_ns[record]) // 1000
            if kind == Kind.FRAME and stream not in self.live and stream not in self.ended:
                self.live[stream] = -1
            for i in np.flatnonzero(of["ticks"]).tolist():
                k, ts = int(run.ticks.instrument[i]), int(run.ticks.ts_us[i])
                unused = run.ticks.flags[i] & unused_flags(self.rules)
                late.append(not unused and self._closes(ts) <= self.watermark.get(k, -1))
            times = run.mark_ts_us[run.mark_record == record].tolist()
            for name, mask in of.items():
                rows = getattr(run, name).take(mask)
                times += rows.ts_us.tolist()
                for k in rows.instrument.tolist():
                    self.watermark.setdefault(k, -1)
                    if stream in self.live:
                        self.carried[stream].add(k)
            plausible = [ts for ts in times if ts <= reached_us + self.rules.max_ahead_us]
            self._move(kind, stream, reached_us, plausible)
            for k in self._risen(kind, reached_us):
                out += self._emit(record, k, self.watermark[k])
        return sorted(out, key=lambda row: row[:3]), late

    def rest(self) -> list[tuple]:
        """What is still to come after the last record."""
        last = len(self.run) - 1
        rows = [row for k in sorted(self.watermark) for row in self._emit(last, k, 2**61)]
        return sorted(rows, key=lambda row: row[:3])

    def _closes(self, ts: int) -> int:
        return ts - ts % 60_000_000 + 60_000_000 + self.rules.allowed_lateness_us

    def _move(self, kind: int, stream: int, recv_us: int, plausible: list[int]) -> None:
        if kind in (Kind.OPEN, Kind.CLOSE):
            if self.live.pop(stream, None) is not None or kind == Kind.CLOSE and stream in self.live:
                self.ended.add(stream)
                self.carried[stream].clear()
            if kind == Kind.OPEN:
                self.live[stream] = -1
                self.ended.discard(stream)
        elif kind == Kind.CLOCK:
            for s in self.live:
                self.live[s] = max(self.live[s], recv_us - self.rules.quiet_grace_us)
        elif stream in self.live and plausible:
            self.live[stream] = max(self.live[stream], *plausible)

    def _risen(self, kind: int, recv_us: int) -> list[int]:
        risen = []
        for k in sorted(self.watermark):
            reached = [newest for s, newest in self.live.items() if k in self.carried[s]]
            if not reached and kind == Kind.CLOCK:
                reached = [recv_us - self.rules.quiet_grace_us]
            second = min(reached) // 1_000_000 * 1_000_000 if reached else -1
            if second > self.watermark[k]:
                self.watermark[k] = second
                risen.append(k)
        return risen

    def _emit(self, record: int, k: int, until_us: int) -> list[tuple]:
        """All closed minutes of ``k`` made anew; those that differ from what was emitted."""

        def taken(rows):
            rows = rows.take((rows.record <= record) & (rows.instrument == k))
            closed = [self._closes(ts) <= until_us for ts in rows.ts_us.tolist()]
            return rows.take(np.array(closed, dtype=np.bool_))

        bars, out = batch(taken(self.run.ticks), taken(self.run.quotes), self.rules), []
        for i in range(len(bars)):
            start, bits = int(bars.timestamp_us[i]), bits_of(bars, i)
            before = self.emitted.get((k, start))
            if before is None or before[0] != bits:
                revision = 0 if before is None else before[1] + 1
                self.emitted[k, start] = bits, revision
                out.append((record, start, k, revision, bits))
        return out


def bits_of(bars: Bars, i: int) -> bytes:
    return b"".join(getattr(bars, name)[i].tobytes() for name in VALUES)


def rows_of(bars: Bars) -> list[tuple]:
    """As the model writes them."""
    return [
        (int(bars.record[i]), int(bars.timestamp_us[i]), int(bars.instrument[i]), int(bars.revision[i]), bits_of(bars, i))
        for i in range(len(bars))
    ]


def drive(kit, run: Run, cuts: list[int], rules: BarSettings, *, resumed: bool = True):
    """Run by run through a kernel that is packed, unpacked and resumed at every cut."""
    recall = kit.Given()
    kernel = BarKernel(rules, recall=recall)
    bars, late = [], []
    for piece in kit.pieces(run, cuts):
        advance = kernel.advance(piece)
        bars.append(advance.bars.with_(record=advance.bars.record + piece.first_pos))
        late += advance.late.tolist()
        recall.add(piece)
        assert advance.unrevised == ()
        if resumed:
            kernel = BarKernel(rules, unpack(pack(kernel.state), BarState), recall)
    return concatenate(bars, Bars), late, kernel


chances = {
    "a calm market": {},
    "one stream": {"streams": 1, "control": 0.0},
    "many late": {"late": 0.5, "future": 0.1},
    "control records": {"control": 0.4, "streams": 4},
    "quotes only": {"quotes": 1.0},
    "hours late": {"deep": 0.1, "step_s": 20.0},
    "hours late, sparse": {"deep": 0.2, "step_s": 60.0, "instruments": 2},
}
# Little is kept, so that much has to be recalled; the last keeps all.
memories = {
    "little": {"retain_us": 0, "history_bars": 1, "spike_window": 4, "spike_min_bars": 2},
    "some": {"retain_us": 60_000_000, "history_bars": 20, "spike_window": 5, "spike_min_bars": 3},
    "all": {"spike_window": 6, "spike_min_bars": 3},
}


@pytest.mark.parametrize("memory", memories)
@pytest.mark.parametrize("chance", chances)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_cutting_gives_what_the_model_gives(kit, chance, memory, data):
    run = kit.by_chance(data.draw(st.integers(0, 10_000)), kit.Chance(n=160, **chances[chance]))
    cuts = data.draw(st.lists(st.integers(1, len(run) - 1), max_size=12))
    rules = BarSettings(**memories[memory])
    model = Model(rules)
    expected, expected_late = model.play(run)
    bars, late, kernel = drive(kit, run, cuts, rules)
    assert [row[:4] for row in rows_of(bars)] == [row[:4] for row in expected]
    assert rows_of(bars) == expected
    assert late == expected_late
    assert (bars.as_of_us == run.recv_ns[bars.record] // 1000).all()
    assert rows_of(kernel.peek()) == model.rest()
