"""Rows seen already are dropped, whatever the numbers look like and however the tape is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph import snapshot
from barograph.bars import dedup
from barograph.bars.dedup import Counts, Deduplicator, Seen
from barograph.rows import ABSENT, Quotes, Ticks, columns, none_of
from barograph.tables import Flag

NO_QUOTES = none_of(Quotes)
NO_TICKS = none_of(Ticks)


def trades(ids, instruments=None, **more) -> Ticks:
    n = len(ids)
    return columns(
        Ticks,
        record=np.arange(n),
        ts_us=np.arange(n),
        instrument=np.zeros(n) if instruments is None else instruments,
        price=np.arange(n, dtype=float),
        size=np.ones(n),
        trade_id=ids,
        **more,
    )


def quotes(seqs, instruments=None) -> Quotes:
    n = len(seqs)
    return columns(
        Quotes,
        record=np.arange(n),
        ts_us=np.arange(n),
        instrument=np.zeros(n) if instruments is None else instruments,
        bid_price=np.ones(n),
        ask_price=np.ones(n),
        seq=seqs,
    )


def kept_ids(runs) -> list[int]:
    deduplicator = Deduplicator()
    kept = []
    for ids in runs:
        kept += deduplicator.advance(trades(ids), NO_QUOTES)[0].trade_id.tolist()
    return kept


@pytest.fixture(params=["compiled", "plain"])
def either_way(request, monkeypatch):
    """The kernels as machine code, and as the Python that they are made of."""
    if request.param == "plain":
        for name in ("_note_in_intervals", "_note_recent", "_pour"):
            kernel = getattr(dedup, name)
            monkeypatch.setattr(dedup, name, getattr(kernel, "py_func", kernel))


@pytest.fixture
def small_memory(monkeypatch):
    """Bounds so low that a few hundred ids reach every branch."""
    monkeypatch.setattr(dedup, "MOST_INTERVALS", 16)
    monkeypatch.setattr(dedup, "TICK_SLOTS", 64)
    monkeypatch.setattr(dedup, "QUOTE_SLOTS", 32)


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("runs", "kept"),
    [
        ([[1, 2, 3], [2, 3, 4]], [1, 2, 3, 4]),
        ([[1, 2, 7, 8], [3, 4, 5, 6], [1, 5, 8, 9]], [1, 2, 7, 8, 3, 4, 5, 6, 9]),
        ([[5], [4], [6], [3, 4, 5, 6, 7]], [5, 4, 6, 3, 7]),
        ([[1, 1, 1]], [1]),
        ([[ABSENT, ABSENT, 3, ABSENT, 3]], [ABSENT, ABSENT, 3, ABSENT]),
        ([[0], [0, 1]], [0, 1]),
        ([[2**63 - 1, 2**63 - 2], [2**63 - 1, 5]], [2**63 - 1, 2**63 - 2, 5]),
        ([[]], []),
    ],
    ids=["overlap", "late refill", "backwards", "same", "without id", "zero", "highest", "nothing"],
)
def test_drops_what_was_seen_given_cases(runs, kept):
    assert kept_ids(runs) == kept


def test_counts_and_rows_given_both_tables():
    deduplicator = Deduplicator()
    deduplicator.advance(trades([1, 2]), quotes([10, 14]))
    ticks, tops, dropped = deduplicator.advance(trades([2, 3]), quotes([14, 10, 12, 19]))
    assert ticks.trade_id.tolist() == [3]
    assert ticks.price.tolist() == [1.0], "all columns of a row stay together"
    assert tops.seq.tolist() == [12, 19]
    assert dropped == Counts(ticks=1, quotes=2)


def test_instruments_do_not_share_ids():
    ticks, _, dropped = Deduplicator().advance(trades([1, 1, 2, 1], [0, 7, 0, 7]), NO_QUOTES)
    assert ticks.instrument.tolist() == [0, 7, 0]
    assert dropped.ticks == 1


def test_first_row_wins_given_wire_and_refill():
    deduplicator = Deduplicator()
    refill, wire = [Flag.REPAIRED], [0]
    kept = [deduplicator.advance(trades([1], flags=f), NO_QUOTES)[0].flags.tolist() for f in (wire, refill)]
    kept += [deduplicator.advance(trades([2], flags=f), NO_QUOTES)[0].flags.tolist() for f in (refill, wire)]
    assert kept == [[0], [], [Flag.REPAIRED], []]


def test_nothing_is_copied_given_nothing_dropped():
    ticks = trades([1, 2, 3])
    assert Deduplicator().advance(ticks, NO_QUOTES)[0] is ticks


def test_dense_ids_are_never_forgotten():
    deduplicator = Deduplicator()
    hole = range(500, 600)
    early = [n for n in range(100_000) if n not in hole]
    deduplicator.advance(trades(early), NO_QUOTES)
    deduplicator.advance(trades(range(100_000, 1_000_000)), NO_QUOTES)
    ticks, _, dropped = deduplicator.advance(trades(range(1000)), NO_QUOTES)
    assert ticks.trade_id.tolist() == list(hole)
    assert dropped.ticks == 900
    assert len(snapshot.pack(deduplicator.state)) < 2_000


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("holes", [range(11, 100, 2), range(99, 10, -2)], ids=["upwards", "downwards"])
def test_one_interval_is_left_when_all_holes_are_closed(holes):
    deduplicator = Deduplicator()
    deduplicator.advance(trades(range(10, 102, 2)), NO_QUOTES)
    assert deduplicator.state.ticks[0].count[1] == 46
    deduplicator.advance(trades([*holes, 9, 8]), NO_QUOTES)
    memory = deduplicator.state.ticks[0]
    assert (memory.count[1], memory.low[0], memory.high[0]) == (1, 8, 100)


@pytest.mark.usefixtures("small_memory", "either_way")
def test_nothing_is_forgotten_in_going_over_to_recent_ids():
    deduplicator = Deduplicator()
    ids = [*range(0, 16_000, 1_000), 500, 7]
    deduplicator.advance(trades(ids), NO_QUOTES)
    assert len(deduplicator.state.ticks[0].newer) > 0
    assert deduplicator.advance(trades(ids), NO_QUOTES)[2].ticks == 18


@pytest.mark.usefixtures("small_memory", "either_way")
def test_horizon_of_hashes():
    ids = np.random.default_rng(5).permutation(10_000)[:2_000] * 1_000_003
    horizon = 64 * 3 // 4
    deduplicator = Deduplicator()
    for at in range(0, 2_000, 10):
        deduplicator.advance(trades(ids[at : at + 10]), NO_QUOTES)
        recent = ids[max(0, at + 10 - horizon) : at + 10]
        assert deduplicator.advance(trades(recent), NO_QUOTES)[2].ticks == len(recent)
    memory = deduplicator.state.ticks[0]
    assert len(memory.newer) <= len(memory.older) == 64, "memory is bounded"
    assert len(memory.low) == 0, "the intervals went with the first generation"
    assert len(deduplicator.advance(trades(ids[:10]), NO_QUOTES)[0]) == 10, "the oldest are forgotten"


def test_horizons_are_as_documented():
    rng = np.random.default_rng(3)
    deduplicator = Deduplicator()
    ids = rng.integers(2**63 - 1, size=4 * dedup.TICK_HORIZON)
    seqs = np.cumsum(rng.integers(2, 9, 4 * dedup.QUOTE_HORIZON))
    deduplicator.advance(trades(ids), quotes(seqs))
    again = deduplicator.advance(trades(ids[-dedup.TICK_HORIZON :]), quotes(seqs[-dedup.QUOTE_HORIZON :]))
    assert again[2] == Counts(dedup.TICK_HORIZON, dedup.QUOTE_HORIZON)
    assert len(snapshot.pack(deduplicator.state.ticks[0])) < 2 * 8 * dedup.TICK_SLOTS + 500


dense = st.lists(st.integers(0, 120), max_size=150)
gapped = st.lists(st.integers(0, 120).map(lambda n: n * 4096), max_size=150)
hashed = st.lists(st.integers(0, 2**63 - 1), max_size=60).flatmap(
    lambda ids: st.lists(st.sampled_from(ids), max_size=150) if ids else st.just([])
)
numbered = st.one_of(dense, gapped, hashed, st.builds(lambda a, b: a + b, dense, gapped))


@settings(max_examples=120, deadline=None)
@given(ids=numbered, codes=st.integers(1, 4))
def test_equals_a_set_given_ids_within_the_horizon(ids, codes):
    instruments = [k % codes for k in range(len(ids))]
    ticks, tops, _ = Deduplicator().advance(trades(ids, instruments), quotes(ids, instruments))
    seen: set[tuple[int, int]] = set()
    expected = [pair for pair in zip(instruments, ids, strict=True) if not (pair in seen or seen.add(pair))]
    assert list(zip(ticks.instrument.tolist(), ticks.trade_id.tolist(), strict=True)) == expected
    assert list(zip(tops.instrument.tolist(), tops.seq.tolist(), strict=True)) == expected


def run_in_pieces(ids, instruments, cuts) -> tuple[list[int], bytes]:
    """The indices of the rows kept and the final state, resumed from bytes at every cut."""
    state, kept = Seen(), []
    for start, stop in pairwise([0, *sorted(cuts), len(ids)]):
        deduplicator = Deduplicator(state)
        part = slice(start, stop)
        ticks, tops, _ = deduplicator.advance(
            trades(ids[part], instruments[part]), quotes(ids[part], instruments[part])
        )
        kept += [start + int(k) for k in ticks.record] + [start + int(k) for k in tops.record]
        state = snapshot.unpack(snapshot.pack(deduplicator.state), Seen)
    return sorted(kept), snapshot.pack(state)


@pytest.mark.usefixtures("small_memory")
@settings(max_examples=120, deadline=None)
@given(ids=numbered, data=st.data())
def test_any_cutting_gives_the_same_rows_and_state(ids, data):
    instruments = [k % 3 for k in range(len(ids))]
    cuts = data.draw(st.lists(st.integers(0, len(ids)), max_size=6))
    assert run_in_pieces(ids, instruments, cuts) == run_in_pieces(ids, instruments, [])


@pytest.mark.usefixtures("small_memory")
def test_small_runs_and_large_ones_agree_given_many_instruments():
    rng = np.random.default_rng(11)
    ids = rng.integers(0, 400, 5_000)
    instruments = rng.integers(0, 20, 5_000)
    whole = run_in_pieces(ids, instruments, [])
    assert run_in_pieces(ids, instruments, list(range(0, 5_000, 7))) == whole


def test_wide_instrument_numbers():
    ticks, _, dropped = Deduplicator().advance(
        trades([1] * 200, [k % 100 + 33_000 for k in range(200)]), NO_QUOTES
    )
    assert dropped.ticks == 100
    assert ticks.instrument.tolist() == [33_000 + k for k in range(100)]
