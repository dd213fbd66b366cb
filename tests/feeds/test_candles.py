from __future__ import annotations

import gzip
import math
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.errors import DataError
from barograph.feeds.candle_files import ROWS_A_FRAME, BadRow, CandleFrame, parse_candles, time_us
from barograph.feeds.candles import FEED, Candle, Heading, encode_candles
from barograph.feeds.feed import FeedState
from barograph.records import Frames, Kind
from barograph.rows import Candles, Decoded

MINUTE_US = 60_000_000


def decoded(*payloads: bytes, state: FeedState | None = None) -> Decoded:
    n = len(payloads)
    frames = Frames(
        0,
        np.arange(n),
        np.zeros(n, dtype=np.int64),
        np.full(n, Kind.FRAME, dtype=np.uint8),
        np.zeros(n, dtype=np.uint32),
        list(payloads),
    )
    return FEED.decode(state if state is not None else FEED.state(), frames)


def parsed(text: str, interval_s: int | None = None) -> list[CandleFrame]:
    lines = text.splitlines(keepends=True)
    return list(parse_candles(lines, venue="file", symbol="X-USD", interval_s=interval_s))


def rows_of(found: Sequence[CandleFrame]) -> Candles:
    return decoded(*(frame.payload for frame in found if frame.rows)).candles


def bad_of(found: Sequence[CandleFrame]) -> list[BadRow]:
    return [bad for frame in found for bad in frame.bad]


def lines_of(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from file


@pytest.mark.parametrize(
    ("name", "rows", "interval_s", "first", "last"),
    [
        (
            "btc-perp-1m-2022-01.csv.gz",
            45_031,
            60,
            ("2021-12-31T23:01", 46319.0, 46385.0, 46319.0, 46377.0, 2300413.7295),
            ("2022-02-01T05:31", 38525.0, 38546.0, 38525.0, 38544.0, 685906.9735),
        ),
        (
            "btcusd-5m-2024-08-to-11.csv.gz",
            28_304,
            300,
            ("2024-08-01T00:00", 64596, 64661, 64567, 64640, 0.0015999999999999999),
            ("2024-11-10T14:55", 79280, 79660, 79247, 79498, 0),
        ),
    ],
)
def test_real_files_come_back_row_for_row(
    shared_data: Path,
    name: str,
    rows: int,
    interval_s: int,
    first: tuple[object, ...],
    last: tuple[object, ...],
) -> None:
    found = list(parse_candles(lines_of(shared_data / "candles" / name), venue="file", symbol="BTC-USD"))
    candles = rows_of(found)
    assert bad_of(found) == []
    assert len(candles) == sum(frame.rows for frame in found) == rows
    assert set(candles.interval_s.tolist()) == {interval_s}
    assert (np.diff(candles.timestamp_us) > 0).all()
    for at, expected in ((0, first), (-1, last)):
        moment = datetime.fromisoformat(str(expected[0])).replace(tzinfo=UTC)
        assert candles.timestamp_us[at] == int(moment.timestamp()) * 1_000_000
        numbers = [getattr(candles, column)[at] for column in ("open", "high", "low", "price", "volume")]
        assert numbers == list(expected[1:])


def test_real_file_equals_a_plain_reading(shared_data: Path) -> None:
    path = shared_data / "candles" / "btc-perp-1m-2022-01.csv.gz"
    candles = rows_of(list(parse_candles(lines_of(path), venue="file", symbol="X")))
    plain = np.array([line.split(",")[1:] for line in list(lines_of(path))[1:]], dtype=np.float64)
    for column, name in enumerate(("open", "high", "low", "price", "volume")):
        np.testing.assert_array_equal(getattr(candles, name), plain[:, column])


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-08-01 00:05:00", "2024-08-01T00:05:00"),
        ("2024-08-01T00:05:00.123456Z", "2024-08-01T00:05:00.123456"),
        ("2024-08-01T02:05+02:00", "2024-08-01T00:05:00"),
        ("2024-08-01", "2024-08-01T00:00:00"),
        ("20240801", "2024-08-01T00:00:00"),
        ("01.08.2024 00:05:00", "2024-08-01T00:05:00"),
        ("01.08.2024", "2024-08-01T00:00:00"),
        ("1722470700", "2024-08-01T00:05:00"),
        ("1722470700.25", "2024-08-01T00:05:00.250000"),
        ("1722470700123", "2024-08-01T00:05:00.123000"),
        ("1722470700123.5", "2024-08-01T00:05:00.123500"),
        ("1722470700123456", "2024-08-01T00:05:00.123456"),
        ("1722470700123456789", "2024-08-01T00:05:00.123456"),
    ],
)
def test_times_are_read_in_any_form(text: str, iso: str) -> None:
    moment = datetime.fromisoformat(iso).replace(tzinfo=UTC)
    assert time_us(text) == round(moment.timestamp() * 1e6)


@pytest.mark.parametrize("text", ["", "yesterday", "31.02.2024", "2024-13-01", "12:00", "-5", "1,5"])
def test_a_time_in_no_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no form that is known"):
        time_us(text)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("timestamp,open,high,low,close,volume", "2024-08-01,1,4,0.5,2,9"),
        ("Open Time,Open,High,Low,Close,Volume,Ignored", "2024-08-01,1,4,0.5,2,9,x"),
        ("open_time,open,high,low,price,vol", "2024-08-01,1,4,0.5,2,9"),
        ("VOL;DT;low;HIGH;Open;close", "9;01.08.2024;0.5;4;1;2"),
        ("\ufeffdate,volume,close,open,low,high", '"2024-08-01",9,2,1,0.5,"4"'),
        ("\n\n datetime , open , high , low , close , volume ", " 1722470400 , 1 , 4 , 0.5 , 2 , 9 "),
    ],
)
def test_columns_are_found_by_name(header: str, row: str) -> None:
    candles = rows_of(parsed(f"{header}\n{row}\n", interval_s=60))
    assert candles.timestamp_us.tolist() == [1722470400000000]
    columns = (candles.open, candles.high, candles.low, candles.price, candles.volume)
    assert [column.tolist() for column in columns] == [[1.0], [4.0], [0.5], [2.0], [9.0]]


def test_a_file_of_prices_only_gives_flat_candles_without_volume() -> None:
    candles = rows_of(parsed("timestamp,price\n1722470400,5.5\n1722470460,6\n"))
    for column in (candles.open, candles.high, candles.low, candles.price):
        assert column.tolist() == [5.5, 6.0]
    assert np.isnan(candles.volume).all()
    assert candles.interval_s.tolist() == [60, 60]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "needed are a time"),
        ("\n \n", "needed are a time"),
        ("a,b\n1,2\n", r"\['a', 'b'\]"),
        ("timestamp,open\n", "close or price"),
        ("open,high,low,close\n", "timestamp or time or date"),
        ("time,open,close\n", "together or not at all"),
        ("2024-08-01,1,2,3,4,5\n", "2024-08-01"),
        ("time,price\n1722470400,1\n", "say it in seconds"),
        ("time,price\nx,1\ny,1\n", r"line 2: time 'x'"),
        ("time,price\n1722470400.5,1\n1722470401,2\n", "whole seconds"),
        ("time,price\n" + "".join(f"{1722470400 - n},1\n" for n in range(9)), "oldest first"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        parsed(text)


@pytest.mark.parametrize(("venue", "symbol"), [("a|b", "X"), ("a", "X|Y")])
def test_the_separator_of_names_is_refused(venue: str, symbol: str) -> None:
    with pytest.raises(DataError, match="must not contain"):
        list(parse_candles(["time,price\n"], venue=venue, symbol=symbol))


def test_bad_rows_are_named_with_their_lines_and_the_rest_goes_on() -> None:
    rows = [
        "1722470400,5,6,4,5,1",
        "1722470460,5,x,4,5,1",
        "1722470520,5,3,4,5,1",
        "1722470580,5,6,-4,5,1",
        "1722470640,5,6,4,5,-1",
        "1722470400,5,6,4,5,1",
        "1722470340,5,6,4,5,1",
        "",
        "never,5,6,4,5,1",
        "1722470700,5,6,4",
        "1722470760,nan,6,4,5,1",
        "1722470820,5,6,4,5,",
        "9999999999,5,6,4,5,1",
    ]
    found = parsed("\n".join(["time,open,high,low,close,volume", *rows]), interval_s=60)
    assert rows_of(found).timestamp_us.tolist() == [1722470400000000, 1722470820000000]
    assert bad_of(found) == [
        BadRow(3, "high 'x' is not a number"),
        BadRow(4, "high 3.0 is below low 4.0"),
        BadRow(5, "low is -4.0; a price is above zero and finite"),
        BadRow(6, "volume is -1.0; it is zero or more and finite"),
        BadRow(7, "the same time as line 2"),
        BadRow(8, "earlier than line 2"),
        BadRow(10, "time 'never' is in no form that is known"),
        BadRow(11, "4 columns; the header has 6"),
        BadRow(12, "open is nan; a price is above zero and finite"),
        BadRow(14, "time 9999999999000000 us is not between the years 1970 and 2200"),
    ]


def test_the_interval_is_the_commonest_step() -> None:
    steps = [300] * 20 + [3_600] * 3 + [60]
    times = np.cumsum([1722470400, *steps]).tolist()
    found = parsed("time,price\n" + "".join(f"{time},1\n" for time in times))
    assert set(rows_of(found).interval_s.tolist()) == {300}


def test_a_large_file_is_read_in_constant_memory() -> None:
    def endless(rows: int) -> Iterator[str]:
        yield "time,open,high,low,close,volume\n"
        for n in range(rows):
            yield f"{1_600_000_000 + 60 * n},1.25,1.5,1.0,1.25,{n}\n"

    def peak(rows: int) -> int:
        tracemalloc.start()
        frames = sum(1 for _ in parse_candles(endless(rows), venue="v", symbol="s"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert frames == math.ceil(rows / ROWS_A_FRAME)
        return most

    assert peak(6 * ROWS_A_FRAME) < 1.3 * peak(2 * ROWS_A_FRAME)


PRICE = st.floats(min_value=1e-300, max_value=1e300, allow_nan=False)
CANDLE = st.builds(
    lambda a, b, c, d, volume: Candle(0, a, max(a, b, c, d), min(a, b, c, d), d, volume),
    PRICE,
    PRICE,
    PRICE,
    PRICE,
    st.floats(min_value=0, allow_infinity=False) | st.just(math.nan),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CANDLE, max_size=30), st.integers(1, 86_400))
def test_what_is_encoded_comes_back_to_the_last_bit(candles: list[Candle], interval_s: int) -> None:
    rows = [candle._replace(timestamp_us=n * MINUTE_US) for n, candle in enumerate(candles)]
    state = FeedState()
    found = decoded(encode_candles(Heading("v", "s", interval_s), rows), state=state)
    assert not found.rejects
    assert found.candles.timestamp_us.tolist() == [row.timestamp_us for row in rows]
    for column, name in enumerate(("open", "high", "low", "price", "volume"), start=1):
        np.testing.assert_array_equal(getattr(found.candles, name), [row[column] for row in rows])
    assert state.symbols == (["v|s"] if rows else [])


@settings(max_examples=60, deadline=None)
@given(st.lists(CANDLE, min_size=1, max_size=20), st.sampled_from(",;"))
def test_what_is_written_as_a_file_comes_back(candles: list[Candle], separator: str) -> None:
    lines = [separator.join(("Time", "Open", "High", "Low", "Close", "Volume"))]
    for n, candle in enumerate(candles):
        volume = "" if math.isnan(candle.volume) else repr(candle.volume)
        numbers = [repr(price) for price in candle[1:5]]
        lines.append(separator.join((str(1_700_000_000 + n), *numbers, volume)))
    found = parsed("\n".join(lines), interval_s=1)
    assert bad_of(found) == []
    rows = rows_of(found)
    np.testing.assert_array_equal(rows.price, [candle.close for candle in candles])
    np.testing.assert_array_equal(rows.volume, [candle.volume for candle in candles])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.,;:-+eTZ \"'naninf\x00é", max_size=40), max_size=8))
def test_no_text_makes_it_raise_but_a_data_error(lines: list[str]) -> None:
    found = parsed("\n".join(["time,open,high,low,close,volume", *lines]), interval_s=60)
    assert sum(frame.rows + len(frame.bad) for frame in found) <= len("\n".join(lines).splitlines())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'{"venue":"v","symbol":"s"}',
        b'{"venue":"v","symbol":"s","interval_s":0}\n',
        b"\xff\n1,1,1,1,1,1",
    ],
)
def test_a_frame_without_its_heading_is_rejected(payload: bytes) -> None:
    rows = decoded(payload)
    assert len(rows.rejects) == 1
    assert len(rows.candles) == 0


@pytest.mark.parametrize(
    "line",
    ["", "1,1,1,1,1", "x,1,1,1,1,1", "1,1,1,2,1,1", "1,0,1,1,1,1", "9" * 40 + ",1,1,1,1,1", "1,1,1,1,1,inf"],
)
def test_a_bad_row_of_a_frame_is_rejected_alone(line: str) -> None:
    heading = '{"venue":"v","symbol":"s","interval_s":60}'
    rows = decoded(f"{heading}\n1,1,1,1,1,1\n{line}\n2,1,1,1,1,".encode())
    assert rows.candles.timestamp_us.tolist() == [1, 2]
    assert len(rows.rejects) == 1
    assert rows.rejects[0].reason
