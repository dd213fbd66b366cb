"""Each rule by itself: what it says, what it leaves, and that it never looks ahead."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from barograph.anomalies import KINDS, Detector, RuleSettings
from barograph.errors import SettingsError

VENUES = ["v", "v", "v", "v", "other"]


@pytest.fixture
def found(make_bars, surviving):
    """``found(kind, minutes, ...)``: the surviving rows of one rule as ``{(instrument, minute): score}``."""

    def find(kind, minutes, *args, settings=None, details=False, **values):
        settings = RuleSettings(kinds=(kind,), **(settings or {}))
        rows = Detector(settings, VENUES).advance(make_bars(minutes, *args, **values))
        return {(i, minute): (d if details else s) for (i, _, minute), (s, d) in surviving(rows).items()}

    return find


def at_end(n, last, default=0.0):
    """A column of ``default`` that ends with ``last``."""
    return [default] * (n - 1) + [last]


@pytest.mark.parametrize(
    ("score", "expected"), [(3.0, {}), (3.01, {(0, 40): 3.01}), (-9.0, {}), (math.nan, {})]
)
def test_volume_spike(found, score, expected):
    assert found("volume_spike", range(41), volume_spike_score=at_end(41, score)) == expected


def test_volume_spike_detail(found):
    details = found(
        "volume_spike",
        range(101),
        volume_spike_score=at_end(101, 5.5),
        volume=[*range(100), 900],
        details=True,
    )
    assert json.loads(details[0, 100]) == {"volume": 900, "mean_volume": 69.5, "window": 60}


JUMPY = [0.1, -0.1] * 30


@pytest.mark.parametrize(
    ("change_pct", "trades", "crosses"),
    [(0.5, 30, False), (0.61, 30, True), (-0.61, 30, True), (5.0, 0, False), (math.nan, 30, False)],
)
def test_price_jump(found, change_pct, trades, crosses):
    changes = [*JUMPY, change_pct]
    rows = found("price_jump", range(61), price_change_pct=changes, trade_count=[30] * 60 + [trades])
    sigma = math.sqrt(sum(math.log1p(c / 100) ** 2 for c in JUMPY) / 60)
    assert rows == ({(0, 60): pytest.approx(math.log1p(change_pct / 100) / sigma)} if crosses else {})


@pytest.mark.parametrize(("before", "crosses"), [(19, False), (20, True)])
def test_price_jump_needs_bars_with_trades_before_it(found, before, crosses):
    n = before + 10
    trades = [0] * 10 + [5] * (n - 9)
    rows = found("price_jump", range(n + 1), price_change_pct=[*JUMPY[:n], 9.0], trade_count=trades)
    assert bool(rows) == crosses


def test_price_jump_needs_a_size(found):
    small = [0.001, -0.001] * 30
    assert found("price_jump", range(61), price_change_pct=[*small, 0.09]) == {}
    assert len(found("price_jump", range(61), price_change_pct=[*small, 0.11])) == 1


def test_price_jump_forgets_what_is_older_than_the_lookback(found):
    minutes = [*range(60), 60 + 720]
    assert found("price_jump", minutes, price_change_pct=[*JUMPY, 9.0]) == {}


def test_price_jump_given_a_market_that_stood_still(found):
    assert found("price_jump", range(61), price_change_pct=at_end(61, 9.0)) == {}


@pytest.mark.parametrize(("half", "ratio"), [(0.0199, None), (0.0201, 4.02), (0.5, 100.0), (math.nan, None)])
def test_spread_blowout(found, half, ratio):
    rows = found(
        "spread_blowout",
        range(30),
        bid_price=at_end(30, 100 - half, 99.995),
        ask_price=at_end(30, 100 + half, 100.005),
    )
    assert rows == ({} if ratio is None else {(0, 29): pytest.approx(ratio)})


def test_spread_blowout_needs_a_width_and_bars_before_it(found):
    narrow = {"bid_price": at_end(30, 99.995, 99.9995), "ask_price": at_end(30, 100.005, 100.0005)}
    assert found("spread_blowout", range(30), **narrow) == {}
    assert len(found("spread_blowout", range(30), settings={"spread_floor": 0.00005}, **narrow)) == 1
    wide = {"bid_price": at_end(20, 99.0, 99.995), "ask_price": at_end(20, 101.0, 100.005)}
    assert found("spread_blowout", range(20), **wide) == {}


@pytest.mark.parametrize(
    ("imbalance", "trades", "volume", "crosses"),
    [
        (0.9, 20, 5.0, True),
        (-1.0, 20, 5.0, True),
        (0.89, 500, 50.0, False),
        (1.0, 19, 50.0, False),
        (1.0, 20, 4.9, False),
        (math.nan, 20, 50.0, False),
    ],
)
def test_one_sided_flow(found, imbalance, trades, volume, crosses):
    rows = found(
        "one_sided_flow",
        range(30),
        order_imbalance=at_end(30, imbalance),
        trade_count=at_end(30, trades, 30),
        volume=at_end(30, volume, 10.0),
    )
    assert rows == ({(0, 29): imbalance} if crosses else {})


def correlated(rng, minutes, decoupled_from, beta=2.0):
    """Returns in percent of four instruments of one venue; the first goes its own way at the end."""
    common = rng.normal(0, 0.1, minutes)
    own = rng.normal(0, 0.05, (4, minutes))
    own[0] *= 2.0
    changes = common * np.array([[beta], [1.0], [1.0], [1.0]]) + own
    changes[0, decoupled_from:] = rng.normal(0, 0.2, minutes - decoupled_from)
    return changes.T.ravel()


def venue_bars(minutes):
    return {
        "instruments": np.tile(np.arange(4), minutes),
        "records": np.repeat(np.arange(minutes), 4),
    }


def test_correlation_break(found):
    changes = correlated(np.random.default_rng(4), 400, decoupled_from=360)
    every = np.repeat(np.arange(400), 4)
    rows = found("correlation_break", every, **venue_bars(400), price_change_pct=changes)
    assert rows
    assert {i for i, _ in rows} == {0}
    assert all(360 < minute < 400 and score < -4 for (_, minute), score in rows.items())
    whole = correlated(np.random.default_rng(4), 400, decoupled_from=400)
    assert found("correlation_break", every, **venue_bars(400), price_change_pct=whole) == {}


def test_correlation_given_one_jump_stays_whole(found):
    changes = correlated(np.random.default_rng(4), 400, decoupled_from=400)
    changes[370 * 4] = 5.0
    every = np.repeat(np.arange(400), 4)
    assert found("correlation_break", every, **venue_bars(400), price_change_pct=changes) == {}


def test_correlation_given_a_bond_that_grows_stronger_or_turns_round(found):
    rng = np.random.default_rng(4)
    common = rng.normal(0, 0.1, 400)
    changes = common + rng.normal(0, 0.02, (4, 400))
    changes[0] = rng.normal(0, 0.1, 400)
    changes[0, 360:] = common[360:]
    every = np.repeat(np.arange(400), 4)
    assert found("correlation_break", every, **venue_bars(400), price_change_pct=changes.T.ravel()) == {}
    changes[0] = -common
    changes[0, 360:] = common[360:]
    rows = found("correlation_break", every, **venue_bars(400), price_change_pct=changes.T.ravel())
    assert rows
    assert all(score < -4 for score in rows.values())


def test_correlation_score_is_fisher_s_z(found):
    changes = correlated(np.random.default_rng(4), 300, decoupled_from=270)
    rows = found(
        "correlation_break",
        np.repeat(np.arange(300), 4),
        **venue_bars(300),
        price_change_pct=changes,
        settings={"correlation_z": 0.0},
    )
    r = np.log1p(changes.reshape(300, 4) / 100)
    others = r[:, 1:].mean(axis=1)
    own, others = (
        np.clip(x, x[30:270].mean() - 2 * x[30:270].std(), x[30:270].mean() + 2 * x[30:270].std())
        for x in (r[:, 0], others)
    )
    r1 = np.corrcoef(own[270:], others[270:])[0, 1]
    r0 = np.corrcoef(own[30:270], others[30:270])[0, 1]
    z = (math.atanh(r1) - math.atanh(r0)) / math.sqrt(1 / 27 + 1 / 237)
    assert z < 0 < r0
    assert rows[0, 299] == pytest.approx(z, rel=1e-9)


@pytest.mark.parametrize("members", [1, 2])
def test_correlation_needs_other_instruments(found, members):
    changes = correlated(np.random.default_rng(4), 400, 360).reshape(400, 4)[:, :members].ravel()
    rows = found(
        "correlation_break",
        np.repeat(np.arange(400), members),
        np.tile(np.arange(members), 400),
        np.repeat(np.arange(400), members),
        price_change_pct=changes,
        settings={"correlation_z": 0.0},
    )
    assert rows == {}


def test_correlation_given_a_market_that_stands_still(found):
    every = np.repeat(np.arange(400), 4)
    settings = {"correlation_z": 0.0}
    assert found("correlation_break", every, **venue_bars(400), settings=settings) == {}
    constant = np.full(1600, 0.123)
    rows = found("correlation_break", every, **venue_bars(400), price_change_pct=constant, settings=settings)
    assert rows == {}


@pytest.fixture
def silent(found):
    """``silent({instrument: minutes})``: stale rows, 5 minutes, closed market after 60."""

    def find(present, details=False):
        rows = sorted((minute, code) for code, minutes in present.items() for minute in minutes)
        minutes, codes = zip(*rows, strict=True)
        records = np.cumsum(np.diff(np.array(minutes), prepend=minutes[0]) > 0)
        settings = {"stale_minutes": 5, "stale_longest_gap": 60}
        return found("stale", minutes, codes, records, settings=settings, details=details)

    return find


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({0: range(20), 1: [*range(5), *range(9, 20)]}, {}),
        ({0: range(20), 1: [*range(5), *range(10, 20)]}, {(1, 5): 5.0}),
        ({0: range(20), 1: [*range(5), *range(16, 20)]}, {(1, 5): 11.0}),
        ({0: range(20), 1: range(5)}, {(1, 5): 5.0}),
        ({0: range(20), 1: range(16)}, {}),
        ({0: range(20), 4: range(5)}, {}),
        ({0: [*range(10), *range(30, 40)]}, {(0, 10): 20.0}),
        ({0: [*range(10), *range(70, 80)]}, {(0, 10): 60.0}),
        ({0: [*range(10), *range(71, 80)]}, {}),
        ({0: [*range(10), *range(100, 120)], 1: [*range(4), *range(106, 120)]}, {(1, 4): 5.0, (1, 100): 6.0}),
        ({0: range(900), 1: [0, 800]}, {(1, 1): 5.0, (1, 801): 5.0}),
    ],
    ids=[
        "too short",
        "just long enough",
        "length when over",
        "still silent",
        "not yet",
        "another venue",
        "whole venue",
        "longest outage",
        "closed market",
        "two sessions",
        "longer than the lookback",
    ],
)
def test_stale(silent, present, expected):
    assert silent(present) == expected


def test_stale_is_told_when_it_is_noticed_and_when_it_is_over(make_bars):
    detector = Detector(RuleSettings(kinds=("stale",), stale_minutes=5, stale_longest_gap=60), VENUES)
    told = []
    for minute in range(20):
        present = [0, 1] if minute < 5 or minute == 15 else [0]
        rows = detector.advance(make_bars([minute] * len(present), present, [minute] * len(present)))
        told += [(minute, row.score, row.revision, json.loads(row.detail)) for row in rows]
    assert told == [
        (9, 5.0, 0, {"minutes": 5, "over": 0}),
        (15, 10.0, 1, {"minutes": 10, "over": 1}),
    ]


def test_no_score_depends_on_what_comes_later(make_bars, surviving):
    rng = np.random.default_rng(8)
    minutes, codes = np.repeat(np.arange(330), 4), np.tile(np.arange(4), 330)
    loose = RuleSettings(
        kinds=KINDS[:5], price_jump_sigmas=1, price_jump_return=0, spread_ratio=1, correlation_z=0.5
    )

    def rows_before(cut, seed):
        values = {
            "price_change_pct": correlated(rng_at(1), 330, 300),
            "volume_spike_score": rng_at(2).normal(2, 1, 1320),
            "order_imbalance": rng_at(3).uniform(-1, 1, 1320),
            "ask_price": 100.005 + rng_at(4).exponential(0.05, 1320),
        }
        for column in values.values():
            column[minutes >= cut] *= np.random.default_rng(seed).uniform(0.5, 2, 1)
        rows = Detector(loose, VENUES).advance(make_bars(minutes, codes, minutes, **values))
        return {key: row for key, row in surviving(rows).items() if key[2] < cut}

    def rng_at(seed):
        return np.random.default_rng(seed)

    cut = int(rng.integers(290, 320))
    told = rows_before(cut, 1)
    assert {kind for _, kind, _ in told} == set(KINDS[:5])
    assert told == rows_before(cut, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ("volume_spike", "nonsense")},
        {"window": 1},
        {"window": 721},
        {"window": 10, "least": 11},
        {"flow_imbalance": 1.1},
        {"price_jump_sigmas": math.nan},
        {"correlation_short": 9},
        {"correlation_bond": 1.1},
        {"correlation_long": 700},
        {"stale_minutes": 1},
        {"stale_longest_gap": 5},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match=rf"anomalies\.({'|'.join([*wrong, 'kinds', 'least'])})"):
        RuleSettings(**wrong)


def test_only_the_kinds_in_force(found, make_bars):
    bars = make_bars(range(41), volume_spike_score=at_end(41, 9.0), order_imbalance=at_end(41, 1.0))
    kinds = [
        {row.kind for row in Detector(RuleSettings(kinds=k), VENUES).advance(bars)}
        for k in (KINDS, ("stale",))
    ]
    assert kinds == [{"volume_spike", "one_sided_flow"}, set()]
