"""The trial ledger: what counts as a try, and that none is lost or counted twice."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barograph.errors import StoreCorrupt
from barograph.research.trials import Ledger, Span, Tried
from barograph.strategies.strategy import Strategy
from barograph.tables import TRIALS

NOW = 1_700_000_000_000_000


def span(start: int = 0, end: int = 100, source: str = "arch:sp500", data: str = "a" * 64) -> Span:
    return Span(source, "SP500", "1d", start, end, data)


def strategies(*seeds: int) -> list[Strategy]:
    return [Strategy(family="coinflip", params={"seed": seed}) for seed in seeds]


def tried(*seeds: int, split: str = "train", sharpe: float = 0.1) -> Tried:
    values = np.full(len(seeds), sharpe)
    metrics = {"win_rate": values, "num_trades": values * 10, "not_kept": values}
    return Tried(strategies(*seeds), split, metrics, values)


def ids(*seeds: int) -> set[str]:
    return {strategy.id for strategy in strategies(*seeds)}


def test_a_strategy_is_one_try_however_often_it_is_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "trials")
    assert ledger.tries(span(), ids(1, 2)) == 2
    ledger.record(span(), tried(1, 2), NOW)
    ledger.record(span(0, 90), tried(2, 3, split="whole"), NOW)
    assert ledger.tries(span(), set()) == 3
    assert ledger.tries(span(), ids(3, 4)) == 4


def test_the_same_run_again_changes_no_byte(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first = ledger.record(span(), tried(1, 2), NOW)
    before = first.read_bytes()
    assert ledger.record(span(), tried(1, 2), NOW + 99) == first
    assert first.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_other_results_of_the_same_strategies_are_backtests_but_no_tries(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(span(), tried(1, 2, sharpe=0.1), NOW)
    ledger.record(span(), tried(1, 2, sharpe=0.2), NOW)
    [counted] = ledger.counts()
    assert (counted.tries, counted.backtests, counted.runs) == (2, 4, 2)


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        (span(100, 200, data="b" * 64), False),  # begins where the other ends
        (span(99, 200, data="b" * 64), True),
        (span(0, 100, data="b" * 64), True),  # new data does not wash the slate clean
        (span(source="btc.csv"), True),  # nor does a new name for the same bits
        (span(source="btc.csv", data="b" * 64), False),
        (span()._replace(interval="1h", data_hash="b" * 64), False),
        (span()._replace(symbol="NASDAQ", data_hash="b" * 64), False),
    ],
)
def test_tries_count_on_overlapping_ranges_of_the_same_series(
    tmp_path: Path, other: Span, counts: bool
) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(span(), tried(1, 2, 3), NOW)
    assert ledger.tries(other, ids(9)) == (4 if counts else 1)


@dataclass(frozen=True)
class Run:
    start: int
    length: int
    seeds: tuple[int, ...]


runs = st.builds(
    Run,
    st.integers(0, 50),
    st.integers(1, 30),
    st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
)


@given(st.lists(runs, max_size=5), runs)
def test_the_count_is_that_of_a_set(
    tmp_path_factory: pytest.TempPathFactory, done: list[Run], own: Run
) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("ledger"))
    for run in done:
        ledger.record(
            span(run.start, run.start + run.length, data=f"{run.start}" * 64), tried(*run.seeds), NOW
        )
    expected = set(own.seeds)
    for run in done:
        if run.start < own.start + own.length and own.start < run.start + run.length:
            expected |= set(run.seeds)
    wanted = span(own.start, own.start + own.length, data="x" * 64)
    assert ledger.tries(wanted, ids(*own.seeds)) == len(expected)


def test_the_columns_are_those_of_the_table_and_a_row_tells_everything(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(span(), tried(1, sharpe=float("nan")), NOW)
    [table] = ledger.rows()
    assert table.schema == TRIALS.schema()
    [row] = table.to_pylist()
    assert row["strategy"] == '{"family":"coinflip","params":{"seed":1}}'
    assert row["metrics"] == '{"num_trades":null,"win_rate":null}'
    assert row["sharpe_per_bar"] is None
    assert (row["source"], row["split"], row["data_hash"]) == ("arch:sp500", "train", "a" * 64)


def test_counts_keep_ranges_apart_that_do_not_hang_together(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.record(span(0, 10), tried(1, sharpe=0.1), NOW)
    ledger.record(span(5, 20), tried(1, 2, sharpe=0.3), NOW)
    ledger.record(span(20, 30), tried(3), NOW)
    first, second = ledger.counts()
    assert (first.tries, first.range_start_us, first.range_end_us) == (2, 0, 20)
    # The strategy that was tried twice counts with its longer range.
    assert (first.sharpe_best, first.sharpe_variance) == (0.3, 0.0)
    assert (second.tries, second.range_start_us) == (1, 20)


def test_a_torn_file_is_named_and_a_staged_one_not_looked_at(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    file = ledger.record(span(), tried(1), NOW)
    (tmp_path / f"{file.name}.1.2.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert ledger.tries(span(), set()) == 1
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreCorrupt, match=file.name):
        ledger.tries(span(), set())


WRITER = """
import sys
from pathlib import Path
import numpy as np
from barograph.research.trials import Ledger, Span, Tried
from barograph.strategies.strategy import Strategy

first = int(sys.argv[2])
for seed in range(first, first + 8):
    strategies = [Strategy(family="coinflip", params={"seed": n}) for n in (seed, 1000)]
    values = np.zeros(2)
    tried = Tried(strategies, "train", {"win_rate": values}, values)
    Ledger(Path(sys.argv[1])).record(Span("arch:sp500", "SP500", "1d", 0, 100, "a"), tried, 0)
"""


def test_several_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    # Both write the very same runs.
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(first)]) for first in (0, 0)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert Ledger(tmp_path).tries(span(), set()) == 9
    assert len(list(tmp_path.iterdir())) == 8


def test_100_000_tries_cost_little(tmp_path: Path) -> None:
    many = [
        Strategy(family="sma_cross", params={"fast": k % 400 + 2, "slow": k // 400 + 10})
        for k in range(100_000)
    ]
    values = np.linspace(-0.1, 0.1, len(many))
    names = ("win_rate", "total_return", "sharpe_ratio", "max_drawdown", "num_trades")
    ledger = Ledger(tmp_path)
    began = time.process_time()
    file = ledger.record(span(), Tried(many, "train", dict.fromkeys(names, values), values), NOW)
    recorded = time.process_time()
    assert ledger.tries(span(), set()) == 100_000
    assert time.process_time() - recorded < 2
    assert recorded - began < 10
    assert file.stat().st_size < 12_000_000
