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

pytestmark = pytest.mark.slow

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
            if self.live.pop(stream, None) is not None:
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
        (
            int(bars.record[i]),
            int(bars.timestamp_us[i]),
            int(bars.instrument[i]),
            int(bars.revision[i]),
            bits_of(bars, i),
        )
        for i in range(len(bars))
    ]


LEAN = 10
"""A kernel that is to keep fewer rows than this is resumed without any."""


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
            state = kernel.lean_state if rules.kept_rows < LEAN else kernel.state
            kernel = BarKernel(rules, unpack(pack(state), BarState), recall)
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
    "crowded": {"kept_rows": LEAN, "spike_window": 4, "spike_min_bars": 2},
    "no rows in the state": {"kept_rows": 3, "spike_window": 4, "spike_min_bars": 2},
    "some": {"retain_us": 60_000_000, "history_bars": 20, "spike_window": 5, "spike_min_bars": 3},
    "all": {"spike_window": 6, "spike_min_bars": 3},
}


@pytest.mark.parametrize("memory", memories)
@pytest.mark.parametrize("chance", chances)
@settings(max_examples=6, deadline=None)
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


def test_a_row_older_than_all_that_is_kept_makes_the_instrument_anew(kit, tape):
    """After 160 minutes little is left in memory; a trade of the fifth comes, then one of the gap at 151."""
    for minute in range(0, 160, 2):
        record = tape.trade(minute * kit.MINUTE, 100.0 + minute % 7)
        if minute == 40:
            tape.trade(30 * kit.MINUTE + 5, 99.0, at=record)
    for i, minute in enumerate((5, 151)):
        tape.trade(minute * kit.MINUTE, 50.0, 9.0, recv=(160 + i) * kit.MINUTE)
        record = tape.trade((160 + i) * kit.MINUTE, 100.0)
        tape.trade((149 - i) * kit.MINUTE, 98.0, at=record)  # late, in the very record that moves time on
    tape.trade(151 * kit.MINUTE + 1, 60.0, 9.0, recv=162 * kit.MINUTE)
    tape.trade(163 * kit.MINUTE, 100.0)
    run = tape.run()
    rules = BarSettings(retain_us=0, history_bars=1, spike_window=8, spike_min_bars=3)
    model = Model(rules)
    expected, late = model.play(run)
    for cuts in ([len(run) - 6], list(range(1, len(run)))):
        bars, was_late, kernel = drive(kit, run, cuts, rules)
        assert rows_of(bars) == expected
        assert was_late == late
        assert kernel.nbytes < 100_000
    # Volume and price of the new minute reach the eight bars after it, and RSI as long as it remembers.
    revised = [start for _, start, _, revision, _ in expected if revision]
    assert min(revised) == kit.START_US + 6 * kit.MINUTE
    assert len(set(revised)) > 40


@pytest.mark.parametrize("chance", chances)
def test_a_batch_pass_gives_what_the_kernel_ends_with(kit, chance):
    run = kit.by_chance(7, kit.Chance(n=400, **chances[chance]))
    bars, _, kernel = drive(kit, run, [50, 51, 200], BarSettings(), resumed=False)
    ended = kit.final(concatenate([bars, kernel.peek()], Bars))
    rng = np.random.default_rng(0)
    shuffled = run.ticks.take(np.lexsort((run.ticks.record, rng.random(len(run.ticks)).round(0))))
    for ticks in (run.ticks, shuffled):
        kit.same_bits(ended, batch(ticks, run.quotes), but=VERSIONING)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), at=st.floats(0.1, 0.9))
def test_no_column_depends_on_anything_after_its_minute(kit, seed, at):
    run, other = kit.by_chance(seed, kit.Chance()), kit.by_chance(seed + 1, kit.Chance())
    starts = np.unique(batch(run.ticks, run.quotes).timestamp_us)
    middle = int(starts[int(at * len(starts))])
    end = middle + kit.MINUTE

    def with_another_future(rows, others):
        return concatenate([rows.take(rows.ts_us < end), others.take(others.ts_us >= end)], type(rows))

    bars = batch(run.ticks, run.quotes)
    changed = batch(
        with_another_future(run.ticks, other.ticks), with_another_future(run.quotes, other.quotes)
    )
    kit.same_bits(bars.take(bars.timestamp_us <= middle), changed.take(changed.timestamp_us <= middle))


def minutes_of(kit, bars):
    """(minute, revision) of each bar, minutes counted from START_US."""
    starts = (bars.timestamp_us - kit.START_US) // kit.MINUTE
    return list(zip(starts.tolist(), bars.revision.tolist(), strict=True))


def test_a_minute_closes_at_the_first_whole_second_after_end_and_lateness(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.trade(61_999_999, 101.0)
    closing = tape.trade(62_000_000, 102.0)
    advance = BarKernel(BarSettings()).advance(tape.run())
    assert minutes_of(kit, advance.bars) == [(0, 0)]
    assert advance.bars.record.tolist() == [closing]
    assert advance.bars.as_of_us.tolist() == [kit.START_US + 62_050_000]
    assert not advance.late.any()


def test_with_half_a_second_of_lateness_the_next_whole_second_closes(kit, tape):
    tape.trade(0, 100.0)
    tape.trade(60_700_000, 101.0)
    closing = tape.trade(61_000_000, 102.0)
    advance = BarKernel(BarSettings(allowed_lateness_us=500_000)).advance(tape.run())
    assert advance.bars.record.tolist() == [closing]


def test_a_late_trade_revises_its_minute_at_the_next_second(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0, 1.0)
    tape.trade(62_000_000, 102.0, 1.0)
    tape.trade(20 * kit.SECOND, 101.0, 2.0, recv=62_500_000)
    tape.trade(62_600_000, 102.0)
    revising = tape.trade(63_000_000, 102.0)
    advance = BarKernel(BarSettings()).advance(tape.run())
    assert minutes_of(kit, advance.bars) == [(0, 0), (0, 1)]
    assert advance.bars.record.tolist()[1] == revising
    assert advance.bars.volume.tolist() == [1.0, 3.0]
    assert advance.bars.price.tolist() == [100.0, 101.0]
    assert advance.late.tolist() == [False, False, True, False, False]


def test_a_late_row_that_changes_no_column_revises_nothing(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.quote(20 * kit.SECOND, 99.0, 101.0)
    tape.trade(62_000_000, 102.0)
    tape.quote(15 * kit.SECOND, 98.0, 102.0, recv=62_500_000)
    tape.trade(64_000_000, 102.0)
    assert minutes_of(kit, BarKernel(BarSettings()).advance(tape.run()).bars) == [(0, 0)]


def test_a_minute_that_is_only_filled_late_is_inserted_and_the_next_ones_revised(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.trade(130 * kit.SECOND, 110.0)
    tape.trade(185 * kit.SECOND, 120.0)
    tape.trade(70 * kit.SECOND, 105.0, recv=186_000_000)
    inserting = tape.trade(187 * kit.SECOND, 120.0)
    bars = BarKernel(BarSettings()).advance(tape.run()).bars
    assert minutes_of(kit, bars) == [(0, 0), (2, 0), (1, 0), (2, 1)]
    assert bars.record.tolist()[2:] == [inserting, inserting]
    assert bars.price_change_pct[1] == pytest.approx(10.0)
    assert bars.price_change_pct[3] == pytest.approx(100 * (110 / 105 - 1))


def test_a_timestamp_from_the_future_does_not_move_time_on(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.trade(500 * kit.SECOND, 101.0, recv=12 * kit.SECOND)
    tape.trade(20 * kit.SECOND, 102.0)
    kernel = BarKernel(BarSettings())
    advance = kernel.advance(tape.run())
    assert len(advance.bars) == 0
    assert not advance.late.any()
    assert minutes_of(kit, kernel.peek()) == [(0, 0), (8, 0)]


def test_a_timestamp_ahead_by_no_more_than_the_bound_does(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.trade(65 * kit.SECOND, 101.0, recv=60 * kit.SECOND)
    assert minutes_of(kit, BarKernel(BarSettings()).advance(tape.run()).bars) == [(0, 0)]


def test_a_quiet_stream_holds_back_until_the_clock_has_gone_on_by_the_grace(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0, stream=0)
    tape.trade(11 * kit.SECOND, 100.0, stream=1)
    tape.trade(70 * kit.SECOND, 101.0, stream=0)
    tape.record(71_999_999, Kind.CLOCK, stream=9)
    closing = tape.record(72_000_000, Kind.CLOCK, stream=9)
    bars = BarKernel(BarSettings()).advance(tape.run()).bars
    assert bars.record.tolist() == [closing]


def test_a_closed_stream_holds_nothing_back(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0, stream=0)
    tape.trade(11 * kit.SECOND, 100.0, stream=1)
    tape.trade(70 * kit.SECOND, 101.0, stream=0)
    closing = tape.record(70_100_000, Kind.CLOSE, stream=1)
    assert BarKernel(BarSettings()).advance(tape.run()).bars.record.tolist() == [closing]


def test_a_stream_that_was_opened_but_carried_nothing_holds_nothing_back(kit, tape):
    tape.record(0, Kind.OPEN, stream=0)
    tape.record(0, Kind.OPEN, stream=1)
    tape.trade(10 * kit.SECOND, 100.0, stream=0)
    closing = tape.trade(70 * kit.SECOND, 101.0, stream=0)
    assert BarKernel(BarSettings()).advance(tape.run()).bars.record.tolist() == [closing]


def test_a_stream_opened_again_begins_without_a_watermark(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0, stream=0)
    tape.trade(70 * kit.SECOND, 101.0, stream=0)
    tape.record(71 * kit.SECOND, Kind.OPEN, stream=0)
    tape.trade(71 * kit.SECOND, 101.0, stream=0, instrument=1)
    tape.trade(80 * kit.SECOND, 101.0, stream=1, instrument=0)
    tape.trade(125 * kit.SECOND, 101.0, stream=1, instrument=0)
    bars = BarKernel(BarSettings()).advance(tape.run()).bars
    assert minutes_of(kit, bars) == [(0, 0), (1, 0)]


def test_an_instrument_stands_where_the_stream_that_brings_it_stands(kit, tape):
    tape.trade(100 * kit.SECOND, 100.0, instrument=0)
    tape.trade(20 * kit.SECOND, 50.0, instrument=1, recv=100 * kit.SECOND)
    tape.trade(30 * kit.SECOND, 50.0, instrument=1, recv=100 * kit.SECOND)
    advance = BarKernel(BarSettings()).advance(tape.run())
    assert advance.bars.record.tolist() == [1]
    assert advance.late.tolist() == [False, False, True]


def test_marks_move_time_on(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    closing = tape.mark(62 * kit.SECOND)
    assert BarKernel(BarSettings()).advance(tape.run()).bars.record.tolist() == [closing]


def test_rows_of_a_refill_move_no_time_and_hold_nothing_back(kit, tape):
    tape.trade(10 * kit.SECOND, 100.0)
    tape.trade(5 * kit.SECOND, 100.0, stream=7, kind=Kind.REST, recv=12 * kit.SECOND)
    tape.trade(300 * kit.SECOND, 100.0, stream=7, kind=Kind.REST, recv=299 * kit.SECOND)
    closing = tape.trade(62 * kit.SECOND, 100.0, recv=300 * kit.SECOND)
    bars = BarKernel(BarSettings()).advance(tape.run()).bars
    assert bars.record.tolist() == [closing]
    assert bars.trade_count.tolist() == [2]


def test_a_second_recording_of_the_same_hours_closes_its_minutes_by_its_own_stream(kit, tape):
    for second in (0, 60, 120, 180):
        tape.trade(second * kit.SECOND, 100.0, stream=0)
    tape.record(181 * kit.SECOND, Kind.CLOSE, stream=0)
    closings = [
        tape.trade(s * kit.SECOND, 50.0, stream=1, instrument=1, recv=10_000_000_000) for s in (0, 62, 122)
    ]
    bars = BarKernel(BarSettings()).advance(tape.run()).bars
    second = bars.take(bars.instrument == 1)
    assert second.record.tolist() == closings[1:]


def test_rows_flagged_as_unusable_are_left_out(kit, tape):
    tape.trade(1 * kit.SECOND, 100.0)
    tape.trade(2 * kit.SECOND, -1.0, flags=1)
    tape.trade(3 * kit.SECOND, 900.0, flags=2)
    tape.quote(4 * kit.SECOND, 102.0, 101.0, flags=4)
    kernels = BarKernel(BarSettings()), BarKernel(BarSettings(exclude_outliers=True))
    for kernel in kernels:
        kernel.advance(tape.run())
    with_outlier, without = (kernel.peek() for kernel in kernels)
    assert (with_outlier.high[0], without.high[0]) == (900.0, 100.0)
    assert np.isnan(with_outlier.bid_price[0])
    kit.same_bits(without, batch(tape.run().ticks, None, BarSettings(exclude_outliers=True)), but=VERSIONING)


def test_an_unusable_row_makes_no_minute(kit, tape):
    tape.trade(1 * kit.SECOND, -1.0, flags=1)
    kernel = BarKernel(BarSettings())
    kernel.advance(tape.run())
    assert len(kernel.peek()) == 0


@pytest.mark.parametrize("chance", chances)
def test_peek_changes_nothing(kit, chance):
    run = kit.by_chance(3, kit.Chance(n=200, **chances[chance]))
    recall = kit.Given()
    rules = BarSettings(retain_us=0, history_bars=1, spike_window=4)
    peeked, silent = BarKernel(rules, recall=recall), BarKernel(rules, recall=recall)
    for piece in kit.pieces(run, list(range(10, 200, 10))):
        kit.same_bits(peeked.advance(piece).bars, silent.advance(piece).bars)
        recall.add(piece)
        kit.same_bits(peeked.peek(), peeked.peek())
        assert pack(peeked.state) == pack(silent.state)


def test_without_a_recall_what_cannot_be_revised_is_named(kit, tape):
    for minute in range(30):
        tape.trade(minute * kit.MINUTE, 100.0 + minute)
    first = tape.run()
    kernel = BarKernel(BarSettings())
    kernel.advance(first)
    tape.trade(5 * kit.MINUTE + 1, 50.0, recv=30 * kit.MINUTE)
    tape.trade(31 * kit.MINUTE, 100.0)
    advance = kernel.advance(kit.cut(tape.run(), 30, 32))
    assert advance.late.tolist() == [True, False]
    assert advance.unrevised == ((0, kit.START_US + 5 * kit.MINUTE),)
    assert minutes_of(kit, advance.bars) == [(28, 0), (29, 0)]


def test_memory_is_bounded_however_long_the_tape_is(kit):
    rules = BarSettings(retain_us=0, history_bars=10, spike_window=4, kept_minutes=100)
    kernel, recall = BarKernel(rules), kit.Given()
    held = []
    for part in range(8):
        run = kit.by_chance(5, kit.Chance(n=500, late=0.0, future=0.0, control=0.0, step_s=10.0))
        ahead = part * 500 * 20 * kit.SECOND
        moved = Run(
            part * 500,
            run.recv_ns + ahead * 1000,
            run.kind,
            run.stream,
            run.ticks.with_(ts_us=run.ticks.ts_us + ahead),
            run.quotes.with_(ts_us=run.quotes.ts_us + ahead),
        )
        kernel.advance(moved)
        held.append(kernel.nbytes)
    assert recall.calls == 0
    assert held[-1] == held[3]


def test_a_recall_is_asked_only_for_what_is_gone(kit, tape):
    for minute in range(30):
        tape.trade(minute * kit.MINUTE, 100.0)
    tape.trade(25 * kit.MINUTE + 1, 50.0, recv=30 * kit.MINUTE)
    tape.trade(31 * kit.MINUTE, 100.0)
    recall = kit.Given()
    kernel = BarKernel(BarSettings(), recall=recall)
    kernel.advance(tape.run())
    assert recall.calls == 0


def test_a_state_of_other_settings_or_versions_is_refused():
    state = BarKernel(BarSettings()).state
    with pytest.raises(SettingsError, match="rebuild"):
        BarKernel(BarSettings(spike_window=30), state)
    BarKernel(BarSettings(history_bars=30, retain_us=5), state)
    state.version = 0
    with pytest.raises(DataError, match="kernel version 0"):
        BarKernel(BarSettings(), state)


def test_a_run_given_twice_is_refused(kit, tape):
    tape.trade(1, 100.0)
    kernel = BarKernel(BarSettings())
    kernel.advance(tape.run())
    with pytest.raises(UsageError, match="stand at 1"):
        kernel.advance(tape.run())


@pytest.mark.parametrize("name", ["spike_window", "spike_min_bars", "history_bars", "allowed_lateness_us"])
def test_settings_out_of_bounds_are_refused(name):
    with pytest.raises(SettingsError, match=name):
        BarSettings(**{name: -1})


def test_an_empty_run_gives_nothing(tape):
    assert len(BarKernel(BarSettings()).advance(tape.run()).bars) == 0


def test_quotes_that_nobody_needs_leave_memory_and_come_back_for_a_trade_without_a_side(kit, tape):
    rules = BarSettings(kept_rows=10)
    recall = kit.Given()
    kernel = BarKernel(rules, recall=recall)
    for second in range(40):
        tape.quote(second * kit.SECOND, 100.0 + second, 101.0 + second)
    tape.trade(40 * kit.SECOND, 140.0, side=1)
    tape.trade(12 * kit.SECOND + 500_000, 112.0, side=0, recv=41 * kit.SECOND)
    tape.mark(70 * kit.SECOND)
    run = tape.run()
    held = []
    for piece in kit.pieces(run, list(range(1, len(run)))):
        kernel.advance(piece)
        recall.add(piece)
        held.append(kernel._memory.rows)
    assert max(held[:41]) <= 11
    bars, _, _ = drive(kit, run, list(range(1, len(run))), rules)
    whole = BarKernel(BarSettings()).advance(run).bars
    assert rows_of(bars) == rows_of(whole)
    assert (whole.buy_volume.tolist(), whole.sell_volume.tolist()) == ([1.0], [1.0])


def test_a_state_without_rows_goes_on_only_with_a_recall(kit, tape):
    tape.trade(0, 100.0)
    kernel = BarKernel(BarSettings(), recall=kit.Given())
    kernel.advance(tape.run())
    with pytest.raises(UsageError, match="needs a Recall"):
        BarKernel(BarSettings(), kernel.lean_state)
    with pytest.raises(UsageError, match="needs a Recall"):
        BarKernel(BarSettings()).lean_state  # noqa: B018
