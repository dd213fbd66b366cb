from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import MINUTE_US
from barograph.simulator import DEFAULT_SYMBOLS, Label, Market
from barograph.simulator.labels import QUIET_MINUTES
from barograph.simulator.market import Symbol

START_US = 1_723_075_200_000_000
KINDS = {"volume_spike", "price_jump", "spread_blowout", "one_sided_flow", "correlation_break", "stale"}
SEED = 12


@cache
def labels() -> list[Label]:
    return Market(SEED, start_us=START_US).labels()


@cache
def blocks(disturbed: bool) -> list[dict[str, Symbol]]:
    market = Market(SEED, start_us=START_US, disturbed=disturbed)
    return [{symbol.instrument.symbol: symbol for symbol in block} for block in market.blocks()]


def of_kind(kind: str) -> list[Label]:
    found = [label for label in labels() if label.kind == kind]
    assert found
    return found


def trades(label: Label, disturbed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, prices and sides of the label's symbol while it lasts."""
    parts = [block[label.symbol].trades for block in blocks(disturbed)]
    ts_us = np.concatenate([part.ts_us for part in parts])
    inside = (ts_us >= label.start_us) & (ts_us < label.end_us)
    price = np.concatenate([part.price for part in parts])
    side = np.concatenate([part.side for part in parts])
    return ts_us[inside], price[inside], side[inside]


def spreads(label: Label, disturbed: bool) -> np.ndarray:
    parts = [block[label.symbol].quotes for block in blocks(disturbed)]
    ts_us = np.concatenate([part.ts_us for part in parts])
    inside = (ts_us >= label.start_us) & (ts_us < label.end_us)
    return np.concatenate([part.ask - part.bid for part in parts])[inside]


def test_a_day_has_every_kind_and_about_thirty_of_them() -> None:
    counts = Counter(label.kind for label in labels())
    assert set(counts) == KINDS
    assert 25 <= len(labels()) <= 35
    assert min(counts[kind] for kind in ("volume_spike", "price_jump", "spread_blowout")) >= 4


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 1_440),
    st.lists(st.sampled_from([*DEFAULT_SYMBOLS, "AAPL", "SPY"]), min_size=1, unique=True),
)
def test_labels_lie_inside_the_market_and_apart(seed: int, minutes: int, symbols: list[str]) -> None:
    found = Market(seed, symbols, start_us=START_US, minutes=minutes).labels()
    for label in found:
        assert label.kind in KINDS
        assert label.symbol in symbols
        assert label.start_us % MINUTE_US == label.end_us % MINUTE_US == 0
        assert label.start_us >= START_US + min(QUIET_MINUTES, minutes // 3) * MINUTE_US
        assert label.start_us < label.end_us < START_US + minutes * MINUTE_US
    assert all(before.end_us < after.start_us for before, after in pairwise(found))


def test_a_stock_is_disturbed_in_its_session_only() -> None:
    found = [
        label
        for seed in range(5)
        for label in Market(seed, ["AAPL"], start_us=START_US, minutes=1_440).labels()
    ]
    assert found
    for label in found:
        assert label.start_us >= START_US + (13 * 60 + 30) * MINUTE_US
        assert label.end_us <= START_US + 20 * 60 * MINUTE_US


def test_a_quiet_market_has_no_labels() -> None:
    assert Market(SEED, start_us=START_US, disturbed=False).labels() == []


def test_volume_spikes_multiply_the_trades() -> None:
    for label in of_kind("volume_spike"):
        ratio = len(trades(label, True)[0]) / len(trades(label, False)[0])
        assert 0.5 * label.magnitude < ratio < 2 * label.magnitude


def test_price_jumps_move_the_price() -> None:
    for label in of_kind("price_jump"):
        _, price, _ = trades(label, True)
        _, calm, _ = trades(label, False)
        moved = np.log(price[-1] / price[0]) - np.log(calm[-1] / calm[0])
        assert np.sign(moved) == np.sign(label.magnitude)
        assert abs(moved) > 0.002


def test_spreads_blow_out() -> None:
    for label in of_kind("spread_blowout"):
        ratio = np.median(spreads(label, True)) / np.median(spreads(label, False))
        assert ratio == pytest.approx(label.magnitude, rel=0.3)


def test_flow_is_one_sided() -> None:
    for label in of_kind("one_sided_flow"):
        _, _, side = trades(label, True)
        assert np.mean(side) * np.sign(label.magnitude) > 0.9


def test_a_stale_symbol_is_silent_while_the_others_go_on() -> None:
    for label in of_kind("stale"):
        assert len(trades(label, True)[0]) == len(spreads(label, True)) == 0
        other = next(symbol for symbol in DEFAULT_SYMBOLS if symbol != label.symbol)
        assert len(trades(Label("", other, label.start_us, label.end_us, 0), True)[0]) > 100


def test_a_correlation_break_turns_the_symbol_against_the_market() -> None:
    def returns(symbol: str, label: Label) -> np.ndarray:
        edges = np.arange(label.start_us, label.end_us + 1, MINUTE_US)
        ts_us, price, _ = trades(Label("", symbol, label.start_us - MINUTE_US, label.end_us, 0), True)
        last = np.searchsorted(ts_us, edges) - 1
        return np.diff(np.log(price[last].astype(float)))

    for label in of_kind("correlation_break"):
        others = [symbol for symbol in DEFAULT_SYMBOLS if symbol != label.symbol]
        market = np.mean([returns(symbol, label) for symbol in others], axis=0)
        assert np.corrcoef(returns(label.symbol, label), market)[0, 1] < -0.2
