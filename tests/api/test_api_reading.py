"""The API's own reader of a lake gives what the lake's gives, whichever files a day has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from tests.store.making import DAY_0, MINUTE, Row, bar, commit

from barograph.api.formats import Form, writer
from barograph.api.reading import QuickLake, frame
from barograph.clock import DAY_US
from barograph.store import Lake
from barograph.store.reading import Day, read
from barograph.store.store import Scan
from barograph.tables import MARKET_MICROSTRUCTURE

SERIES = [("BTC-USD", "sim"), ("BTC-USD", "binance"), ("ETH-USD", "sim")]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    """Sealed days of one series, of two symbols, and of two venues."""
    made = Lake(tmp_path / "lake")
    days: list[list[Row]] = [
        [bar(DAY_0 + n * MINUTE, 1) for n in range(5)],
        [bar(DAY_0 + DAY_US + n * MINUTE, 2, symbol) for symbol in ("BTC-USD", "ETH-USD") for n in range(5)],
        [bar(DAY_0 + 2 * DAY_US, 3, venue=venue) for venue in ("binance", "sim")],
    ]
    for pos, rows in enumerate(days, start=1):
        made.commit(commit(pos, pos + 1, market_microstructure=rows))
    made.seal(all=True, grace_s=0)
    yield made
    made.close()


def _agree(lake: Lake) -> None:
    for start, end in ((None, None), (DAY_0, DAY_0 + DAY_US), (DAY_0 + DAY_US, None), (DAY_0 + MINUTE, None)):
        for symbol, venue in SERIES:
            table = MARKET_MICROSTRUCTURE.name
            wanted = Scan(table, symbols=(symbol,), venues=(venue,), start_us=start, end_us=end)
            found = frame(QuickLake(lake), wanted)
            assert found.equals(pl.DataFrame(read(lake, wanted)))


def test_a_series_is_the_same_from_days_of_one_and_of_several(lake: Lake) -> None:
    series = [day.footer.series for day in lake.days(Scan(MARKET_MICROSTRUCTURE.name))]
    assert series == [("BTC-USD", "sim"), None, None]
    _agree(lake)


def test_a_file_that_is_replaced_after_it_was_listed_is_told_apart(lake: Lake) -> None:
    """Without lasting names (a lake that was copied) what was listed may hold more when it is read."""
    for name in lake.root.glob(".hot/market_microstructure/sealed/*.parquet"):
        name.unlink()
    wanted = Scan(MARKET_MICROSTRUCTURE.name, None, ("BTC-USD",), ("sim",), DAY_0, DAY_0 + DAY_US)
    listed = lake.days(wanted)
    assert [day.footer.series for day in listed] == [("BTC-USD", "sim")]
    lake.commit(commit(4, 5, market_microstructure=[bar(DAY_0, 4, "ETH-USD")]))
    lake.seal(all=True, grace_s=0)
    found = frame(QuickLake(Listed(lake, listed)), wanted)  # type: ignore[arg-type]
    assert set(found["symbol"]) == {"BTC-USD"}


class Listed:
    """A lake that was listed some time ago."""

    def __init__(self, lake: Lake, listed: list[Day]) -> None:
        self.root, self._listed = lake.root, listed

    def days(self, wanted: Scan) -> list[Day]:
        return self._listed


@pytest.mark.parametrize(("rows", "batches"), [(3, 1), (2_000, 4)])
def test_batches_are_not_smaller_than_is_worth_it(rows: int, batches: int) -> None:
    frames = [pl.DataFrame({"n": [k] * rows}, schema={"n": pl.Int64}) for k in range(4)]
    schema = pa.schema([("n", pa.int64())])
    parts = writer(Form.ARROW, schema).rows(pl.concat(frames, rechunk=False), 0)
    assert len(parts) == batches
    whole = pa.ipc.open_stream(b"".join([schema.serialize().to_pybytes(), *parts])).read_all()
    assert pl.DataFrame(whole).equals(pl.concat(frames))


def test_what_comes_to_a_sealed_day_is_told_apart(lake: Lake) -> None:
    late = [bar(DAY_0 + 9 * MINUTE, 4, "ETH-USD"), bar(DAY_0, 4, revision=1)]
    lake.commit(commit(4, 5, market_microstructure=late))
    _agree(lake)
    lake.seal(all=True, grace_s=0)
    _agree(lake)
