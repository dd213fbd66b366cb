"""However bars come, in whatever order and however cut: what survives is what the final bars give."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph import snapshot
from barograph.anomalies import KINDS, LOOKBACK, Detector, DetectorState, RuleSettings
from barograph.anomalies.history import KEPT
from barograph.clock import MINUTE_US
from barograph.rows import Bars, concatenate, none_of

VENUES = ["v", "v", "v", "v", "w"]
RULES = RuleSettings(
    window=6,
    least=3,
    volume_spike_score=1.0,
    price_jump_sigmas=1.5,
    price_jump_return=0.0005,
    spread_ratio=1.5,
    spread_floor=0.0001,
    flow_imbalance=0.5,
    flow_trades=2,
    flow_volume=0.8,
    correlation_z=0.8,
    correlation_bond=0.1,
    correlation_short=10,
    correlation_long=20,
    correlation_others=1,
    stale_minutes=2,
    stale_longest_gap=8,
)
"""So loose and so short that a few dozen bars cross everything."""

FIELDS = (
    "volume",
    "trade_count",
    "ask_price",
    "order_imbalance",
    "volume_spike_score",
    "price_change_pct",
)


def random_values(rng, n) -> dict[str, np.ndarray]:
    """Columns of any bars, with nulls among them."""
    values = {
        "volume": rng.exponential(10, n),
        "trade_count": rng.integers(0, 6, n),
        "ask_price": 100 + rng.exponential(0.05, n),
        "order_imbalance": rng.uniform(-1, 1, n),
        "volume_spike_score": rng.normal(0, 1, n),
        "price_change_pct": rng.normal(0, 0.1, n),
    }
    for name in ("ask_price", "order_imbalance", "volume_spike_score", "price_change_pct"):
        values[name][rng.random(n) < 0.05] = math.nan
    return values


def present_cells(rng, minutes) -> tuple[np.ndarray, np.ndarray]:
    """Which (minute, instrument) have a bar: with silences of instruments and of whole venues."""
    present = rng.random((minutes, 5)) < 0.9
    for _ in range(4):
        start = int(rng.integers(minutes))
        present[start : start + int(rng.integers(1, 14)), rng.random(5) < 0.6] = False
    start = int(rng.integers(minutes))
    present[start : start + int(rng.integers(1, 14))] = False
    return np.nonzero(present)


@pytest.fixture(scope="session")
def tape_of(make_bars):
    """``tape_of(seed, minutes, disorder)``: final bars in order, and the same with revisions and disorder.

    In the second every bar has one to three versions, of which only the last is final.
    Some of the earlier versions differ in one column only.
    """

    def make(seed, minutes, disorder):
        rng = np.random.default_rng(seed)
        minute, code = present_cells(rng, minutes)
        n = len(minute)
        values = random_values(rng, n)
        final = make_bars(minute, code, minute, **values)
        versions = rng.integers(1, 4, n)
        row = np.repeat(np.arange(n), versions)
        last = np.append(row[1:] != row[:-1], True)
        arrival = minute[row] + rng.uniform(0, disorder, len(row))
        arrival = arrival[np.lexsort((arrival, row))]
        drafts = {name: column[row] for name, column in values.items()}
        other = random_values(rng, len(row))
        for name in FIELDS:
            changed = ~last & (rng.random(len(row)) < 0.4)
            drafts[name] = np.where(changed, other[name], drafts[name])
        order = np.argsort(arrival, kind="stable")
        records = np.cumsum(rng.random(len(row)) < 0.5)
        drafts = {name: column[order] for name, column in drafts.items()}
        return final, make_bars(minute[row][order], code[row][order], records, **drafts)

    return make


def told_by(bars: Bars, cuts=(), rules=RULES) -> list:
    """Everything emitted, cut at records ``cuts``, the state packed and resumed at each."""
    state, found = DetectorState(), []
    records = bars.record
    bounds = np.searchsorted(records, sorted(cuts)).tolist()
    for start, stop in pairwise([0, *bounds, len(bars)]):
        detector = Detector(rules, VENUES, state)
        found += detector.advance(bars.take(slice(start, stop)))
        state = snapshot.unpack(snapshot.pack(detector.state), DetectorState)
    return found


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), disorder=st.sampled_from([0.0, 0.9, 3.0, 60.0]))
def test_survivors_are_those_of_the_final_bars(tape_of, surviving, seed, disorder):
    final, revised = tape_of(seed, 70, disorder)
    once = Detector(RULES, VENUES).advance(final.with_(record=np.zeros(len(final), dtype=np.int64)))
    expected = surviving(once)
    assert all(row.revision == 0 for row in once)
    assert surviving(told_by(final)) == expected
    assert surviving(told_by(revised)) == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_any_cutting_between_records_emits_the_same(tape_of, seed, data):
    _, revised = tape_of(seed, 40, 3.0)
    cuts = data.draw(st.lists(st.integers(0, int(revised.record[-1]) + 1), max_size=5))
    assert told_by(revised, cuts) == told_by(revised)


def test_state_is_the_same_however_cut(tape_of):
    _, revised = tape_of(1, 60, 3.0)
    whole, pieces = Detector(RULES, VENUES), Detector(RULES, VENUES)
    whole.advance(revised)
    bounds = np.searchsorted(revised.record, np.arange(0, revised.record[-1] + 2, 2)).tolist()
    for start, stop in pairwise(bounds):
        pieces.advance(revised.take(slice(start, stop)))
    assert snapshot.pack(whole.state) == snapshot.pack(pieces.state)


def in_plain_words(final: Bars, minutes, rules=RULES) -> dict[tuple[int, str, int], float]:
    """The rules of the documents, written down once more without any of the code under test."""
    bars: dict[int, dict[int, dict[str, float]]] = {}
    for k in range(len(final)):
        names = (*FIELDS, "bid_price", "bid_ask_spread")
        row = {name: float(getattr(final, name)[k]) for name in names}
        row["change"] = math.log1p(row["price_change_pct"] / 100)
        row["spread"] = row["bid_ask_spread"] / ((row["bid_price"] + row["ask_price"]) / 2)
        bars.setdefault(int(final.instrument[k]), {})[int(minutes[k])] = row
    found = {}
    for code, series in bars.items():
        venue = {c: b for c, b in bars.items() if VENUES[c] == VENUES[code]}
        for kind, minute, score in [
            *_own(series, rules),
            *_break(code, venue, rules),
            *_stale(series, venue, rules),
        ]:
            found[code, kind, minute] = score
    return found


def _own(series, rules):
    order = sorted(series)
    for at, minute in enumerate(order):
        row = series[minute]
        past = [series[m] for m in order[max(0, at - rules.window) : at]]
        traded = [p for p in past if p["trade_count"] > 0]
        if row["volume_spike_score"] > rules.volume_spike_score:
            yield "volume_spike", minute, row["volume_spike_score"]
        changes = [p["change"] for p in traded if not math.isnan(p["change"])]
        if (
            row["trade_count"] > 0
            and abs(row["change"]) >= rules.price_jump_return
            and len(changes) >= rules.least
        ):
            score = row["change"] / math.sqrt(statistics.fmean(c * c for c in changes))
            if abs(score) >= rules.price_jump_sigmas:
                yield "price_jump", minute, score
        spreads = [p["spread"] for p in past if not math.isnan(p["spread"])]
        if row["spread"] >= rules.spread_floor and len(spreads) >= rules.least:
            score = row["spread"] / statistics.median(spreads)
            if score >= rules.spread_ratio:
                yield "spread_blowout", minute, score
        enough = len(traded) >= rules.least and row["trade_count"] >= rules.flow_trades
        if enough and abs(row["order_imbalance"]) >= rules.flow_imbalance:
            usual = statistics.median(p["volume"] for p in traded)
            if row["volume"] >= rules.flow_volume * usual:
                yield "one_sided_flow", minute, row["order_imbalance"]


def _held(near, far):
    """Both windows of one column, within two standard deviations of the long one's mean."""
    mean, width = statistics.fmean(far), 2 * statistics.pstdev(far)
    return [[min(mean + width, max(mean - width, x)) for x in column] for column in (near, far)]


def _break(code, venue, rules):
    def pairs(start, stop):
        for u in range(start, stop):
            others = [b[u]["change"] for c, b in venue.items() if c != code and u in b]
            others = [change for change in others if not math.isnan(change)]
            own = venue[code].get(u, {}).get("change", math.nan)
            if len(others) >= rules.correlation_others and not math.isnan(own):
                yield own, statistics.fmean(others)

    for minute in sorted(venue[code]):
        start = minute + 1 - rules.correlation_short
        near = list(pairs(start, minute + 1))
        far = list(pairs(start - rules.correlation_long, start))
        if 3 * len(near) >= 2 * rules.correlation_short and 3 * len(far) >= 2 * rules.correlation_long:
            held = [_held([p[k] for p in near], [p[k] for p in far]) for k in (0, 1)]
            r1, r0 = (statistics.correlation(*(column[n] for column in held)) for n in (0, 1))
            score = (math.atanh(r1) - math.atanh(r0)) / math.sqrt(1 / (len(near) - 3) + 1 / (len(far) - 3))
            if (
                abs(score) >= rules.correlation_z
                and (score < 0) == (r0 > 0)
                and abs(r0) >= rules.correlation_bond
            ):
                yield "correlation_break", minute, -abs(score)


def _stale(series, venue, rules):
    alive = sorted({m for b in venue.values() for m in b})
    closed = {m for a, b in pairwise(alive) if b - a - 1 > rules.stale_longest_gap for m in range(a + 1, b)}
    start = None
    for minute in range(min(series), alive[-1] + 2):
        silent = minute not in series and minute not in closed and minute <= alive[-1]
        if silent and start is None:
            start = minute
        if not silent and start is not None:
            if minute - start >= rules.stale_minutes:
                yield "stale", start, float(minute - start if minute in series else rules.stale_minutes)
            start = None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_rules_say_what_the_documents_say(tape_of, surviving, seed):
    final, _ = tape_of(seed, 70, 0.0)
    found = {key: score for key, (score, _) in surviving(told_by(final)).items()}
    assert found == pytest.approx(in_plain_words(final, final.record), rel=1e-9)


def test_every_kind_occurs_in_what_is_tested(tape_of, surviving):
    found = surviving(told_by(tape_of(3, 70, 3.0)[1]))
    assert {kind for _, kind, _ in found} == set(KINDS)
    assert {code for code, _, _ in found} == {0, 1, 2, 3, 4}


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_survivors_given_days_of_sparse_bars_that_come_hours_late(tape_of, seed):
    final, revised = tape_of(seed, 260, 30.0)

    def slower(bars):
        # A bar each 20 minutes: 260 of them are 3.6 days, so that histories are cut again and again.
        return bars.with_(timestamp_us=bars.timestamp_us * 20)

    rules = msgspec.structs.replace(
        RULES, correlation_short=180, correlation_long=500, stale_minutes=45, stale_longest_gap=90
    )
    once = slower(final).with_(record=np.zeros(len(final), dtype=np.int64))
    expected = Detector(rules, VENUES).advance(once)
    detector = Detector(rules, VENUES)
    told = detector.advance(slower(revised))
    assert detector.state.too_late == 0
    newest: dict = {}
    for row in told:
        newest[row.instrument, row.kind, row.ts_us] = row
    survivors = {key: (r.score, r.detail) for key, r in newest.items() if r.score is not None}
    assert survivors == {(r.instrument, r.kind, r.ts_us): (r.score, r.detail) for r in expected}
    assert all(history.used <= KEPT // 20 + 200 for history in detector.state.histories.values())


def test_a_vanished_crossing_is_withdrawn_and_may_come_back(make_bars):
    detector = Detector(RuleSettings(), VENUES)
    told = []
    for record, score in enumerate([5.0, 1.0, 1.0, 5.0, 5.0, 6.0]):
        rows = detector.advance(make_bars([100], [0], [record], volume_spike_score=[score]))
        told += [(row.record, row.score, row.revision, row.detail != "{}") for row in rows]
    assert told == [(0, 5.0, 0, True), (1, None, 1, False), (3, 5.0, 2, True), (5, 6.0, 3, True)]


def test_a_revised_bar_changes_the_rows_that_look_back_on_it(make_bars):
    changes = np.where(np.arange(61) % 2 == 0, 0.1, -0.1)
    changes[60] = 0.9
    detector = Detector(RuleSettings(kinds=("price_jump",)), VENUES)
    first = detector.advance(make_bars(range(61), price_change_pct=changes))
    again = detector.advance(make_bars([30], [0], [61], price_change_pct=[0.5]))
    calm = detector.advance(make_bars([30], [0], [62], price_change_pct=[5.0]))
    assert [(row.ts_us, row.revision, row.score is None) for row in first + again + calm] == [
        (first[0].ts_us, 0, False),
        (first[0].ts_us, 1, False),
        (first[0].ts_us - 30 * MINUTE_US, 0, False),
        (first[0].ts_us, 2, True),
    ]
    assert again[0].score < first[0].score
    assert detector.state.histories[0].values.flags.c_contiguous, "another layout is compiled once more"


def test_a_bar_of_the_long_window_only_changes_the_correlation(make_bars):
    rng = np.random.default_rng(2)
    minutes, codes = np.repeat(np.arange(40), 4), np.tile(np.arange(4), 40)
    changes = rng.normal(0, 0.1, 40).repeat(4) + rng.normal(0, 0.05, 160)
    changes[150::4] *= -1
    rules = msgspec.structs.replace(RULES, kinds=("correlation_break",))
    detector = Detector(rules, VENUES)
    first = detector.advance(make_bars(minutes, codes, minutes, price_change_pct=changes))
    last = max(row.ts_us for row in first)
    again = detector.advance(make_bars([15], [1], [40], price_change_pct=[0.4]))
    assert last == max(row.ts_us for row in again)
    assert last // MINUTE_US - first[0].ts_us // MINUTE_US + 20 > 15 + rules.correlation_short
    assert all(row.revision == 1 for row in again if row.ts_us == last)


def test_a_late_bar_opens_a_closed_market(make_bars, surviving):
    rules = RuleSettings(kinds=("stale",), stale_minutes=5, stale_longest_gap=60)
    detector = Detector(rules, VENUES)
    minutes = [*range(20), *range(90, 110)]
    told = detector.advance(make_bars(minutes, [0] * 40, minutes))
    told += detector.advance(make_bars([10], [1], [10]))
    assert {key[1:]: score for key, (score, _) in surviving(told).items()} == {
        ("stale", 11): 5.0,
        ("stale", 90): 5.0,
    }
    told += detector.advance(make_bars([50], [0], [110]))
    assert {key: score for key, (score, _) in surviving(told).items()} == {
        (1, "stale", 11): 5.0,
        (0, "stale", 20): 30.0,
        (0, "stale", 51): 39.0,
    }


def test_what_is_older_than_a_day_still_bounds_a_silence(make_bars):
    rules = RuleSettings(kinds=("stale",), stale_minutes=5, stale_longest_gap=60)
    detector = Detector(rules, VENUES)
    early = np.repeat(np.arange(100), 2)
    told = detector.advance(make_bars(early, np.tile([0, 1], 100), early))
    late = np.arange(400, 400 + KEPT)
    told += detector.advance(make_bars(late, [0] * KEPT, late))
    assert [(row.instrument, row.revision, row.score) for row in told] == [(1, 0, 5.0)]
    oldest = int(late[-1]) - LOOKBACK + 1
    assert detector.advance(make_bars([oldest], [0], [0], price_change_pct=[1.0])) == []


def test_bars_later_than_the_lookback_are_counted_and_left_out(make_bars):
    detector = Detector(RuleSettings(), VENUES)
    detector.advance(make_bars([5000, 5000], [0, 4]))
    spike = {"volume_spike_score": [9.0, 9.0, 9.0]}
    late = make_bars([5000 - LOOKBACK, 5001 - LOOKBACK, 5000 - LOOKBACK], [0, 0, 1], [2, 2, 2], **spike)
    assert len(detector.advance(late)) == 1
    assert detector.state.too_late == 2


def test_a_day_is_all_that_is_remembered(make_bars):
    detector = Detector(RuleSettings(), VENUES)
    sizes = []
    for day in range(4):
        minutes = np.arange(day * 1440, (day + 1) * 1440)
        detector.advance(make_bars(minutes, volume_spike_score=np.full(1440, 9.0)))
        sizes.append(len(snapshot.pack(detector.state)))
    assert sizes[3] < 1.25 * sizes[1]


def test_no_bars_no_rows():
    assert Detector(RuleSettings(), {}).advance(none_of(Bars)) == []


def test_runs_of_many_records_equal_one_record_at_a_time(tape_of):
    _, revised = tape_of(5, 40, 2.0)
    bounds = np.searchsorted(revised.record, np.arange(revised.record[-1] + 2)).tolist()
    detector = Detector(RULES, VENUES)
    one_by_one = []
    for start, stop in pairwise(bounds):
        one_by_one += detector.advance(concatenate([revised.take(slice(start, stop))], Bars))
    assert one_by_one == told_by(revised)
