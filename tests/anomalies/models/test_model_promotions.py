"""The detector with a model: one version judges a minute, whatever comes later and however it is cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.anomalies import Detector, DetectorState, RuleSettings
from barograph.anomalies.models.features import NAMES, VERSION, WINDOW
from barograph.anomalies.models.forest import Forest
from barograph.anomalies.models.model import Model
from barograph.anomalies.models.promotion import STREAM, Promoted, promotions
from barograph.anomalies.models.rule import ModelRule
from barograph.clock import MINUTE_US
from barograph.errors import DataError
from barograph.records import Kind, Records, Stream
from barograph.rows import Anomaly, Bars
from barograph.snapshot import pack, unpack

RULES = RuleSettings(kinds=())
SYMBOLS = ["BTC-USD", "ETH-USD"]
ONE, TWO = Promoted("forest/aaaaaaaaaaaa", "1"), Promoted("forest/bbbbbbbbbbbb", "2")
VOLUME = NAMES.index("volume")


def model(above: float, symbols: tuple[str, ...] = ("BTC-USD", "ETH-USD")) -> Model:
    """Scores 2^-0.5 where the volume is so far above usual, else 2^-2."""
    forest = Forest(
        np.array([0]),
        np.array([VOLUME, -1, -1], dtype=np.int32),
        np.array([above, 2.0, 0.5]),
        np.array([1, 0, 0], dtype=np.int32),
        np.array([2, 0, 0], dtype=np.int32),
        1.0,
        len(NAMES),
    )
    return Model(NAMES, VERSION, np.zeros(len(NAMES)), 0.6, symbols, forest)


def rule_of(promoted: Promoted) -> ModelRule:
    assert promoted.version is not None
    return ModelRule(promoted.version, model(1.0 if promoted == ONE else 2.0))


def detector(state: DetectorState | None = None, **changed: object) -> Detector:
    kept = {"symbols": SYMBOLS, "rule_of": rule_of} | changed
    return Detector(RULES, {0: "sim", 1: "sim"}, state, **kept)


@pytest.fixture(scope="module")
def busy(make_bars: Callable[..., Bars]) -> Callable[..., Bars]:
    """Bars of volume 10, with 30 and 300 now and then."""

    def make(seed: int, n: int = 200, **values: object) -> Bars:
        rng = np.random.default_rng(seed)
        volume = rng.choice([10.0, 30.0, 300.0], n, p=[0.8, 0.1, 0.1])
        return make_bars(range(n), volume=volume, **values)

    return make


def standing(found: list[Anomaly]) -> dict[tuple[int, int], tuple[float, str]]:
    newest = {(row.instrument, row.ts_us): row for row in found}
    return {key: (row.score, row.model_version) for key, row in newest.items() if row.score is not None}


def test_a_model_judges_from_the_minute_after_its_promotion(busy):
    bars = busy(1)
    found = detector().advance(bars, [(100, ONE), (150, Promoted(None)), (170, TWO)])
    first = int(bars.timestamp_us[0])
    minutes = {(row.ts_us - first) // MINUTE_US: row for row in found}
    loud = {k for k in range(200) if bars.volume[k] == 300.0}
    medium = {k for k in range(200) if bars.volume[k] == 30.0}
    assert {k for k, row in minutes.items() if row.model_version == ONE.version} == {
        k for k in loud | medium if 100 <= k < 150
    }
    assert {k for k, row in minutes.items() if row.model_version == TWO.version} == {
        k for k in loud if k >= 170
    }
    row = next(iter(minutes.values()))
    assert (row.kind, row.threshold, row.score) == ("model", 0.6, pytest.approx(2.0**-0.5))
    assert list(msgspec.json.decode(row.detail)) == list(NAMES)


def test_a_model_judges_only_the_symbols_that_it_was_trained_on(busy):
    bars = busy(1)
    both = replace(bars, instrument=np.arange(200, dtype=np.int32) % 2)
    only = {"rule_of": lambda promoted: ModelRule(promoted.version, model(1.0, ("ETH-USD",)))}
    found = detector(**only).advance(both, [(0, ONE)])
    assert {row.instrument for row in found} == {1}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    disorder=st.sampled_from([0.0, 2.0, 40.0]),
    terms=st.lists(st.tuples(st.integers(0, 260), st.sampled_from([ONE, TWO, Promoted(None)])), max_size=5),
    cuts=st.lists(st.integers(0, 260), max_size=6),
)
def test_any_cutting_gives_the_same_rows_and_each_minute_the_verdict_of_its_own_version(
    busy, seed, disorder, terms, cuts
):
    bars = disordered(busy(seed), seed, disorder)
    terms = sorted(terms, key=lambda term: term[0])
    whole = detector().advance(bars, terms)
    assert cut_up(bars, terms, cuts) == whole

    rows = standing(whole)
    final = bars_as_they_stand(bars)
    first_minutes = beginnings(bars, terms)
    wanted = {}
    for k, (since, promoted) in enumerate(first_minutes):
        until = first_minutes[k + 1][0] if k + 1 < len(first_minutes) else 1 << 60
        if promoted.version is not None:
            for row in detector().advance(final, [(0, promoted)]):
                if since <= row.ts_us // MINUTE_US < until:
                    wanted[row.instrument, row.ts_us] = row.score, row.model_version
    assert rows == wanted


def disordered(bars: Bars, seed: int, disorder: float) -> Bars:
    """Every bar, some late, and some once more with another volume."""
    rng = np.random.default_rng(seed)
    again = rng.random(len(bars)) < 0.3
    changed = bars.take(again).with_(volume=rng.choice([10.0, 300.0], int(again.sum())))
    places = np.concatenate([np.arange(200.0), np.flatnonzero(again) + 0.5])
    places += rng.exponential(disorder, len(places)) * (rng.random(len(places)) < 0.3)
    every = Bars(
        **{name: np.concatenate([getattr(bars, name), getattr(changed, name)]) for name in bars.__slots__}
    )
    every = every.take(np.argsort(places, kind="stable"))
    return every.with_(record=np.arange(len(every)))


def bars_as_they_stand(bars: Bars) -> Bars:
    last = {int(minute): k for k, minute in enumerate(bars.timestamp_us.tolist())}
    kept = bars.take(np.array([last[minute] for minute in sorted(last)]))
    return kept.with_(record=np.arange(len(kept)))


def beginnings(bars: Bars, terms: list[tuple[int, Promoted]]) -> list[tuple[int, Promoted]]:
    """From which minute on each promotion counts, by its definition."""
    minutes = bars.timestamp_us // MINUTE_US
    told: list[tuple[int, Promoted]] = []
    for record, promoted in terms:
        if (told[-1][1] if told else Promoted(None)) == promoted:
            continue
        seen = minutes[bars.record < record]
        told.append((int(seen.max()) + 1 if len(seen) else 0, promoted))
    return told


def cut_up(bars: Bars, terms: list[tuple[int, Promoted]], cuts: list[int]) -> list[Anomaly]:
    """In runs, the state packed and resumed between them; records counted as in one run."""
    found: list[Anomaly] = []
    state = None
    bounds = sorted({0, 1 << 30, *cuts})
    for start, stop in pairwise(bounds):
        one = detector(state)
        run = bars.take((bars.record >= start) & (bars.record < stop))
        found += one.advance(run, [(at, promoted) for at, promoted in terms if start <= at < stop])
        state = unpack(pack(one.state), DetectorState)
    return found


def test_the_same_promotion_again_is_none_and_old_terms_end(busy):
    one = detector()
    one.advance(busy(1), [(10, ONE), (20, ONE), (30, TWO)])
    assert [term.promoted for term in one.state.terms] == [ONE, TWO]
    later = busy(2)
    one.advance(later.with_(timestamp_us=later.timestamp_us + 1_000 * MINUTE_US), [(150, ONE)])
    assert [term.promoted for term in one.state.terms] == [TWO, ONE]


def test_a_version_that_is_gone_is_told_at_its_promotion_and_when_its_minutes_come(busy):
    def gone(promoted: Promoted) -> ModelRule:
        raise DataError(f"{promoted.version} is not there")

    with pytest.raises(DataError, match="aaaaaaaaaaaa is not there"):
        detector(rule_of=gone).advance(busy(1), [(100, ONE)])
    one = detector()
    one.advance(busy(1).take(slice(0, WINDOW)), [(10, ONE)])
    with pytest.raises(DataError, match="aaaaaaaaaaaa is not there"):
        detector(one.state, rule_of=gone).advance(busy(1).take(slice(WINDOW, 200)))
    with pytest.raises(DataError, match="no models were handed in"):
        Detector(RULES, {0: "sim"}).advance(busy(1), [(0, ONE)])


def test_promotions_are_read_from_their_own_stream_only():
    payload = b'{"version":"forest/aaaaaaaaaaaa","digest":"1","later":true}'
    streams = (STREAM, Stream("sim", "anomaly-model"))
    run = Records(
        7,
        np.zeros(5, dtype=np.int64),
        np.array([Kind.CONFIG, Kind.CONFIG, Kind.FRAME, Kind.CONFIG, Kind.CONFIG], dtype=np.uint8),
        np.array([0, 1, 0, 0, 0], dtype=np.uint32),
        streams,
        [payload, payload, payload, b"{", b'{"version":null}'],
    )
    assert list(promotions(run)) == [(0, ONE), (3, None), (4, Promoted(None))]
