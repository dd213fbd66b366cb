"""Every recording through the whole line, compared with the oracle column by column.

Times, ids, counts, copied prices and the ticks themselves must be equal. Sums and what is
computed from them may differ by 1e-9 of their value: the kernel adds from left to right in
event order, pandas with Kahan's compensation, and a score divides by a deviation in which
volumes nearly cancel. Where a ratio may itself be nearly 0 (an imbalance, a change), the
same number is allowed absolutely.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import barograph
from barograph.clock import SystemClock
from barograph.recorder import replay
from barograph.tape import TapeWriter, import_recording

from . import captures, reference, synthetic
from .conftest import Cli

pytestmark = pytest.mark.slow

TOLERANCE = 1e-9
RECORDINGS = {
    "binance-spot-btcusdt_20240808.jsonl.gz": "binance",
    "binance-spot-ethusdt_20240808.jsonl.gz": "binance",
    "binance-usdm-btcusdt_20240808.jsonl.gz": "binance",
    "binance-1-text.txt.gz": "binance",
    "coinbase-28-text.txt.gz": "coinbase",
    "kraken-48-text.txt.gz": "kraken",
    "kraken-49-text.txt.gz": "kraken",
    "made up": "binance",
}
STOCKS = "made up stocks"


class Built(NamedTuple):
    """A recording, what the oracle makes of it, and the data directory that Barograph made of it."""

    path: Path
    venue: str
    capture: captures.Capture
    minutes: pd.DataFrame
    data: Path


def build(data: Path, *imports: tuple[Path, str]) -> Path:
    """Import and replay, in this process."""
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        for path, venue in imports:
            import_recording(tape, path, venue)
    replay(data)
    return data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture(scope="module")
def find(place: Path, recordings: Path) -> Callable[[str], Path]:
    """The path of a recording by its name; those made up are made when they are asked for."""

    def path_of(name: str) -> Path:
        if not name.startswith("made up"):
            return recordings / name
        path = place / f"{name}.txt"
        make = synthetic.write_stocks if name == STOCKS else synthetic.write
        return path if path.exists() else make(path)

    return path_of


@pytest.fixture(scope="module", params=RECORDINGS.items(), ids=list(RECORDINGS))
def built(request: pytest.FixtureRequest, cli: Cli, place: Path, find: Callable[[str], Path]) -> Built:
    """Each recording on a data directory of its own."""
    name, venue = request.param
    path = find(name)
    capture = captures.read(path, venue)
    data = build(place / name.split(".")[0].replace(" ", "-"), (path, venue))
    return Built(path, venue, capture, reference.minutes(*capture), data)


def table(data: Path, name: str) -> pd.DataFrame:
    """A whole table, times as microseconds since 1970."""
    with barograph.connect(data) as market:
        found: pd.DataFrame = market.sql(f"select * from {name}").to_pandas()
    for column in found.columns[[str(kind).startswith("datetime64") for kind in found.dtypes]]:
        found[column] = found[column].astype("datetime64[us, UTC]").astype("int64")
    return found


def assert_equal_columns(ours: pd.DataFrame, theirs: pd.DataFrame, columns: list[str], **near: float) -> None:
    """Equal rows in equal order; ``near`` loosens floats."""
    assert len(ours) == len(theirs)
    for column in columns:
        left, right = ours[column].to_numpy(), theirs[column].to_numpy()
        if left.dtype.kind == "f" or right.dtype.kind == "f":
            left, right = left.astype(float), right.astype(float)
            np.testing.assert_allclose(left, right, **({"rtol": 0} | near), equal_nan=True, err_msg=column)
        else:
            np.testing.assert_array_equal(left, right, err_msg=column)


def in_tape_order(rows: pd.DataFrame, instrument_order: list[str]) -> pd.DataFrame:
    """Rows as they came. Several of one record keep the order of their times."""
    return rows.sort_values(["tape_pos", *instrument_order], kind="stable").reset_index(drop=True)


def test_ticks_are_those_of_the_recording(built: Built) -> None:
    ours = in_tape_order(table(built.data, "ticks"), ["ts"])
    ours = ours.assign(trade_id=ours["trade_id"].fillna(-1), seq=ours["seq"].fillna(-1))
    columns = [name for name in captures.TICK_TYPES if name != "order"]
    assert_equal_columns(ours, built.capture.ticks, columns)


def test_quotes_are_those_of_the_recording(built: Built) -> None:
    ours = in_tape_order(table(built.data, "quotes"), ["ts"])
    ours = ours.assign(seq=ours["seq"].fillna(-1))
    columns = [name for name in captures.QUOTE_TYPES if name != "order"]
    assert_equal_columns(ours, built.capture.quotes, columns)


def minutes(data: Path) -> pd.DataFrame:
    ours = table(data, "market_microstructure")
    return ours.sort_values(["symbol", "venue", "timestamp"]).reset_index(drop=True)


def test_every_column_of_every_minute_is_the_oracle_s(built: Built) -> None:
    ours = minutes(built.data)
    assert_equal_columns(ours, built.minutes, reference.EXACT + reference.QUOTED)
    assert_equal_columns(ours, built.minutes, reference.SUMMED, rtol=TOLERANCE, atol=TOLERANCE)


def test_five_minute_bars_are_made_of_the_minutes(built: Built) -> None:
    expected = reference.resampled(built.minutes, 300_000_000)
    with barograph.connect(built.data) as market:
        parts = [market.bars(symbol, every="5m").to_pandas() for symbol in sorted(set(expected["symbol"]))]
    ours = pd.concat(parts, ignore_index=True)
    ours["timestamp"] = ours["timestamp"].astype("datetime64[us, UTC]").astype("int64")
    assert_equal_columns(
        ours, expected, ["timestamp", "symbol", "open", "high", "low", "price", "trade_count"]
    )
    assert_equal_columns(ours, expected, ["volume", "notional", "vwap"], rtol=TOLERANCE)


def files_of(data: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a data directory: size, time of change, content."""
    files = [path for path in data.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(data)): (path.stat().st_size, path.stat().st_mtime_ns, path.read_bytes())
        for path in files
        if not path.name.endswith("lock")
    }


def test_import_and_replay_again_change_no_row_and_no_file(built: Built) -> None:
    before = files_of(built.data)
    build(built.data, (built.path, built.venue))
    after = files_of(built.data)
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []


def test_sides_that_the_venue_does_not_tell_are_lee_and_ready_s(
    place: Path, find: Callable[[str], Path]
) -> None:
    path = find(STOCKS)
    expected = reference.minutes(*captures.read(path, "polygon-stocks"))
    ours = minutes(build(place / "stocks", (path, "polygon-stocks")))
    assert_equal_columns(ours, expected, reference.EXACT + reference.QUOTED)
    assert_equal_columns(ours, expected, reference.SUMMED, rtol=TOLERANCE, atol=TOLERANCE)
    unknown = expected["volume"] - expected["buy_volume"] - expected["sell_volume"]
    assert (unknown > 0).any(), "some trades come before anything tells their side"


def test_two_recordings_in_one_directory_are_the_two_apart(place: Path, find: Callable[[str], Path]) -> None:
    paths = [find(name) for name in list(RECORDINGS)[:2]]
    both = minutes(build(place / "both", *((path, "binance") for path in paths)))
    apart = pd.concat(
        [reference.minutes(*captures.read(path, "binance")) for path in paths], ignore_index=True
    )
    assert_equal_columns(both, apart, reference.EXACT + reference.QUOTED)
    assert_equal_columns(both, apart, reference.SUMMED, rtol=TOLERANCE, atol=TOLERANCE)


def test_command_line_makes_and_tells_the_same(
    cli: Cli, ask: Callable[[Path, str], list[dict[str, Any]]], place: Path, find: Callable[[str], Path]
) -> None:
    path = find("binance-usdm-btcusdt_20240808.jsonl.gz")
    data = place / "by-command"
    for _ in range(2):
        for words in (("tape", "import", path, "--feed", "binance"), ("replay",)):
            done = cli(*words, "--data", data)
            assert done.returncode == 0, done.stderr
    capture = captures.read(path, "binance")
    (row,) = ask(
        data,
        "select (select count(*) from ticks) as ticks, (select count(*) from quotes) as quotes,"
        " (select sum(trade_count) from market_microstructure)::bigint as trades",
    )
    assert row == {"ticks": 21_313, "quotes": 66_089, "trades": len(capture.ticks)}
    rows = ask(data, "select * from market_microstructure order by timestamp")
    expected = reference.minutes(*capture)
    assert [row["price"] for row in rows] == expected["price"].tolist()
    assert [row["volume"] for row in rows] == pytest.approx(expected["volume"].tolist(), rel=TOLERANCE)
