"""Batches: cleaned, resampled, written; and doing it again changes nothing."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from barograph.bars.resample import resample, resample_ticks
from barograph.errors import DataError, StoreCorrupt, UsageError
from barograph.etl import Cleaning, process_batch
from barograph.etl.batches import Batch
from barograph.etl.files import FileSource
from barograph.etl.processing import Job, batches_of, job_of, process
from barograph.etl.running import run
from barograph.market import connect
from barograph.store import Commit, Lake

NAME = "btc_price_data"


def read(folder: Path, table: str) -> pl.DataFrame:
    """All files of a table; those of a symbol one after the other."""
    made = pl.read_parquet(folder / table / "**" / "*.parquet", hive_partitioning=False)
    return made.sort("symbol", maintain_order=True) if "symbol" in made.columns else made


def test_given_candles_their_bars_are_those_computed_by_hand(candle_csv: Path, tmp_path: Path) -> None:
    (outcome,) = process_batch("2024-08-09", data_dir=tmp_path, source=candle_csv, every=("1h", "1d"))
    assert outcome.state == "done"
    assert {name: table.rows for name, table in outcome.tables.items()} == {
        "rejects": 0,
        "candles": 288,
        "bars_1h": 24,
        "bars_1d": 1,
    }
    raw = pl.read_csv(candle_csv, separator=";").slice(288, 288)
    hours = read(tmp_path / "derived" / NAME, "bars_1h")
    assert hours["timestamp"][0] == datetime(2024, 8, 9, tzinfo=UTC)
    for k in (0, 5, 23):
        part = raw.slice(12 * k, 12)
        assert hours["open"][k] == part["Open"][0]
        assert hours["high"][k] == part["High"].max()
        assert hours["low"][k] == part["Low"].min()
        assert hours["price"][k] == part["Close"][-1]
        assert hours["volume"][k] == part["Volume"].sum()
    assert read(tmp_path / "derived" / NAME, "candles")["price"].to_list() == raw["Close"].to_list()


def test_given_the_default_name_it_is_found_without_a_source(candle_csv: Path) -> None:
    (outcome,) = process_batch("2024-08-08", data_dir=candle_csv.parent.parent)
    assert outcome.batch == f"2024-08-08/{NAME}"
    assert outcome.state == "done"


def test_given_nothing_at_all_the_message_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the data with --source"):
        process_batch("2024-08-08", data_dir=tmp_path)


def test_given_the_same_batch_again_there_is_nothing_to_do(
    candle_csv: Path, tmp_path: Path, files_of: Any
) -> None:
    given: dict[str, Any] = {"data_dir": tmp_path, "source": candle_csv}
    process_batch("2024-08-08", **given)
    before = files_of(tmp_path)
    stamps = {file: (tmp_path / file).stat().st_mtime_ns for file in before}
    (again,) = process_batch("2024-08-08", **given)
    assert again.state == "nothing to do"
    assert again.tables["candles"].rows == 288
    assert {file: (tmp_path / file).stat().st_mtime_ns for file in files_of(tmp_path)} == stamps


def test_given_the_same_input_elsewhere_the_bytes_are_the_same(
    candle_csv: Path, tmp_path: Path, files_of: Any
) -> None:
    packed = tmp_path / "other" / (candle_csv.name + ".gz")
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(candle_csv.read_bytes()))
    for source, out in ((candle_csv, "one"), (candle_csv, "two")):
        process_batch("2024-08-08", data_dir=tmp_path, source=source, out=tmp_path / out)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    process_batch("2024-08-08", data_dir=tmp_path, source=packed, out=tmp_path / "three")
    tables = {name: data for name, data in files_of(tmp_path / "one").items() if name.suffix == ".parquet"}
    found = files_of(tmp_path / "three")
    assert all(found[name] == data for name, data in tables.items() if "staged" not in name.parts)


def test_given_a_changed_input_the_batch_is_done_anew(candle_csv: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"data_dir": tmp_path, "source": candle_csv, "every": ("1d",)}
    process_batch("2024-08-08", **given)
    lines = candle_csv.read_text().splitlines(keepends=True)
    candle_csv.write_text("".join(lines[:100]))
    (again,) = process_batch("2024-08-08", **given)
    assert again.state == "done"
    assert again.tables["candles"].rows == 99
    assert read(tmp_path / "derived" / NAME, "candles").height == 99
    staged = tmp_path / "derived" / NAME / "staged"
    assert len(list(staged.iterdir())) == 2, "of the file as it was nothing is left"


@pytest.mark.parametrize("change", ["every", "outlier", "file"])
def test_given_other_settings_or_a_lost_file_what_is_missing_is_made(
    candle_csv: Path, tmp_path: Path, change: str
) -> None:
    given: dict[str, Any] = {"data_dir": tmp_path, "source": candle_csv, "every": ("1h",)}
    process_batch("2024-08-08", **given)
    folder = tmp_path / "derived" / NAME
    if change == "every":
        given["every"] = ("15m",)
    elif change == "outlier":
        given["how"] = Cleaning(outlier_pct=5.0)
    else:
        next((folder / "bars_1h").rglob("*.parquet")).unlink()
    (again,) = process_batch("2024-08-08", **given)
    assert again.state == "done"
    if change == "every":
        assert read(folder, "bars_15m").height == 96
        (third,) = process_batch("2024-08-08", **(given | {"every": ("1h", "15m")}))
        assert third.state == "nothing to do", "bars of other intervals stay"
    assert read(folder, "bars_1h").height == 24


def test_given_bad_lines_each_is_kept_with_its_reason_and_counted(
    candle_csv: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    lines = make.candle_lines()
    lines[300] = lines[299]
    lines[310] = lines[10]
    lines[320] = lines[320].replace(";", ";-", 1)
    lines[330] = "not a line\n"
    lines.insert(340, "\n")
    lines.insert(1, "oops;1;1;1;1;1\n")
    candle_csv.write_text("".join(lines))
    first, second = (
        process_batch(day, data_dir=tmp_path, source=candle_csv, every=("1d",))[0]
        for day in ("2024-08-08", "2024-08-09")
    )
    assert first.flagged == {"unreadable": 1}
    assert second.flagged == {"disorder": 1, "duplicate": 1, "nonpositive": 1, "unreadable": 1}
    assert second.tables["candles"].rows == 284
    rejects = read(tmp_path / "derived" / NAME, "rejects")
    assert rejects["line"].to_list() == [2, 302, 312, 322, 332]
    assert rejects["text"][4] == "not a line"
    assert "is not a number" in rejects["reason"][0] or "no form" in rejects["reason"][0]


def test_given_many_lines_rejects_stand_with_the_day_before_them(
    candle_csv: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    lines = make.candle_lines(days=40)
    bad = range(100, len(lines), 1_000)
    for line in bad:
        lines[line] = "oops\n"
    candle_csv.write_text("".join(lines))
    job = job_of(tmp_path, candle_csv, None, ("1d",), None, None)
    for outcome in run(job, batches_of(job, [], None), workers=1):
        assert outcome.state == "done"
    rejects = pl.read_parquet(
        tmp_path / "derived" / NAME / "rejects" / "**" / "*.parquet", hive_partitioning=True
    )
    days = {line + 1: date.fromordinal(date(2024, 8, 8).toordinal() + (line - 2) // 288) for line in bad}
    assert dict(zip(rejects["line"], rejects["date"], strict=True)) == days


def test_given_outliers_and_doubles_in_parquet_they_are_flagged_and_kept(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    rows = [make.tick(k) for k in range(8_640 * 2)]
    rows[9_000]["price"] = 5_000.0
    rows[9_001]["price"] = 0.0
    rows.append(make.tick(9_002))
    rows.append(make.tick(9_500, trade_id=None))
    file = tmp_path / "trades.parquet"
    frame = pl.from_arrow(make.arrow_rows("ticks", rows))
    assert isinstance(frame, pl.DataFrame)
    frame.select(
        pl.col("ts").alias("Time"), "symbol", "price", pl.col("size").alias("qty"), "trade_id"
    ).write_parquet(file)
    (outcome,) = process_batch("2024-08-09", data_dir=tmp_path, source=file, every=("1m", "1h"))
    assert outcome.tables["ticks"].rows == 8_642
    assert outcome.flagged == {"nonpositive": 1, "outlier": 1, "duplicate": 1}
    made = read(tmp_path / "derived" / "trades", "ticks")
    assert made.filter(pl.col("price") == 5_000)["flags"].to_list() == [2]
    hours = read(tmp_path / "derived" / "trades", "bars_1h")
    assert hours["trade_count"].sum() == 8_640, "one zero and one double less, one without a number more"
    assert hours["high"].max() == 5_000, "outliers stay in bars unless the setting says otherwise"


def test_given_a_lake_its_bars_are_those_that_the_market_gives(lake_dir: Path) -> None:
    outcomes = process_batch("2024-08-08", data_dir=lake_dir, every=("1m", "15m", "30s"))
    assert [outcome.batch for outcome in outcomes] == ["2024-08-08/BTC-USD", "2024-08-08/ETH-USD"]
    folder = lake_dir / "derived" / "lake"
    with connect(lake_dir) as market:
        for every, table in (("1m", "bars_1m"), ("15m", "bars_15m"), ("30s", "bars_30s")):
            made = read(folder, table).sort("symbol", "venue", "timestamp")
            expected = market.bars(every=every, end="2024-08-09").select(made.columns)
            assert made.height > 0
            assert made.equals(expected.sort("symbol", "venue", "timestamp"))
        ticks = read(folder, "ticks")
        expected = market.ticks(end="2024-08-09").select(ticks.columns)
        assert ticks.equals(expected)
    assert outcomes[0].flagged == {"nonpositive": 1}
    assert outcomes[0].tables["quotes"].rows == 600
    assert outcomes[1].tables["quotes"].rows == 0
    assert not (folder / "quotes" / "date=2024-08-08" / "ETH-USD.parquet").exists()


def test_given_more_rows_in_the_lake_only_their_day_is_done_anew(
    lake_dir: Path, make: SimpleNamespace
) -> None:
    job = job_of(lake_dir, None, {"BTC-USD"}, ("1h",), None, None)
    batches = batches_of(job, [], {"BTC-USD"})
    assert [outcome.state for outcome in run(job, batches, workers=1)] == ["done", "done"]
    lake = Lake(lake_dir / "lake")
    lake.commit(Commit(10_000, 10_001, {"ticks": make.arrow_rows("ticks", [make.tick(9_300)])}))
    lake.close()
    outcomes = run(job, batches, workers=1)
    assert [outcome.state for outcome in outcomes] == ["nothing to do", "done"]
    assert outcomes[1].tables["ticks"].rows == 601


@pytest.mark.parametrize("batch", ["2023-01-01", "2024-08-08/NOPE"])
def test_given_a_batch_of_nothing_the_message_says_what_there_is(lake_dir: Path, batch: str) -> None:
    with pytest.raises(
        DataError, match=r"holds nothing of what is asked for; it holds BTC-USD, ETH-USD from 2024-08-08"
    ):
        process_batch(batch, data_dir=lake_dir)


@pytest.mark.parametrize("every", [(), ("7m",), ("2d",)])
def test_given_an_interval_that_cannot_be_it_is_refused(lake_dir: Path, every: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        process_batch("2024-08-08", data_dir=lake_dir, every=every)


def test_given_a_batch_that_fails_it_is_named_and_the_others_are_done(lake_dir: Path) -> None:
    job = job_of(lake_dir, None, None, ("1h",), None, None)
    batches = batches_of(job, [], None)
    record = job.folder / batches[1].file_in("made", "json")
    record.parent.mkdir(parents=True)
    record.write_text("{ torn")
    done: list[tuple[int, int]] = []
    outcomes = run(job, batches, workers=1, progress=lambda *said: done.append(said))
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "done", "done"]
    assert "delete it and run the batch again" in outcomes[1].error
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(StoreCorrupt):
        process(job, batches[1])


def test_given_one_or_two_workers_the_files_are_the_same(
    candle_csv: Path, tmp_path: Path, files_of: Any
) -> None:
    for workers in (1, 2):
        job = job_of(tmp_path, candle_csv, None, ("1h",), tmp_path / str(workers), None)
        run(job, batches_of(job, [], None), workers=workers)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")


@dataclass(frozen=True)
class Counting:
    """A source that counts the rows it hands out."""

    source: FileSource
    heights: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def tables(self) -> tuple[str, ...]:
        return self.source.tables

    def batches(self, start_us: int | None, end_us: int | None) -> list[Batch]:
        return self.source.batches(start_us, end_us)

    def stamp(self, table: str, batch: Batch) -> str:
        return self.source.stamp(table, batch)

    def read(self, table: str, batch: Batch) -> pl.DataFrame:
        return self._counted(self.source.read(table, batch))

    def before(self, table: str, batch: Batch, since_us: int) -> pl.DataFrame:
        return self._counted(self.source.before(table, batch, since_us))

    def _counted(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.heights.append(rows.height)
        return rows


def test_given_many_days_no_more_than_a_batch_is_held(
    candle_csv: Path, tmp_path: Path, make: SimpleNamespace
) -> None:
    candle_csv.write_text("".join(make.candle_lines(days=30)))
    job = job_of(tmp_path, candle_csv, None, ("1h",), None, None)
    assert isinstance(job.source, FileSource)
    counting = Counting(job.source)
    watched = Job(counting, job.folder, job.every, job.how)
    assert len(run(watched, batches_of(watched, [], None), workers=1)) == 30
    assert max(counting.heights) == 288
    assert sum(counting.heights) > 30 * 288


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        ({"Open Time": [1_723_075_200_000, 1_723_075_260_000], "close": [1.0, 2.0]}, "candles"),
        ({"date": [datetime(2024, 8, 8), datetime(2024, 8, 8, 0, 1)], "price": [1, 2]}, "candles"),  # noqa: DTZ001
        (
            {"ts": ["2024-08-08T00:00:00", "2024-08-08T00:01:00"], "price": [1.0, 2.0], "size": [1, 1]},
            "ticks",
        ),
        ({"time": [1_723_075_200.5, 1_723_075_260.0], "bid": [1.0, 1.0], "ask": [2.0, 2.0]}, "quotes"),
        (
            {"timestamp": [1_723_075_200_000_000_000, 1_723_075_260_000_000_000], "close": [1.0, 2.0]},
            "candles",
        ),
    ],
)
def test_given_parquet_of_others_its_columns_are_found(
    tmp_path: Path, columns: dict[str, Any], table: str
) -> None:
    file = tmp_path / "theirs.parquet"
    pl.DataFrame(columns).write_parquet(file)
    (outcome,) = process_batch("2024-08-08/theirs", data_dir=tmp_path, source=file, every=("1d",))
    assert outcome.tables[table].rows == 2
    bars = read(tmp_path / "derived" / "theirs", "bars_1d")
    assert bars["timestamp"].to_list() == [datetime(2024, 8, 8, tzinfo=UTC)]


def test_given_a_column_of_symbols_each_is_a_batch(tmp_path: Path) -> None:
    times = [1_723_075_200 + 60 * k for k in range(10)]
    frame = pl.DataFrame(
        {"time": times * 2, "Ticker": ["A"] * 10 + ["B"] * 10, "close": [1.0] * 10 + [2.0] * 10}
    )
    folder = tmp_path / "many"
    folder.mkdir()
    frame.head(13).write_parquet(folder / "1.parquet")
    frame.tail(7).write_parquet(folder / "2.parquet")
    outcomes = process_batch("2024-08-08", data_dir=tmp_path, source=folder, every=("5m",))
    assert {outcome.batch: outcome.tables["candles"].rows for outcome in outcomes} == {
        "2024-08-08/A": 10,
        "2024-08-08/B": 10,
    }
    (one,) = process_batch("2024-08-08", data_dir=tmp_path, source=folder, every=("5m",), symbols={"B"})
    assert one.state == "nothing to do"


@pytest.mark.parametrize(
    "columns", [{"a": [1]}, {"time": [1]}, {"price": [1.0]}, {"time": [1_723_075_200], "close": [1.0]}]
)
def test_given_parquet_without_rows_of_ours_it_is_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    file = tmp_path / "theirs.parquet"
    pl.DataFrame(columns).write_parquet(file)
    with pytest.raises(DataError, match=r"needed are|do not tell"):
        process_batch("2024-08-08", data_dir=tmp_path, source=file)


@pytest.mark.parametrize("name", ["x.parquet", "x.csv", "x.csv.gz"])
def test_given_a_broken_file_it_is_told(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"\x1f\x8bnonsense" if name.endswith("gz") else b"nonsense\n1\n")
    with pytest.raises(DataError, match=r"x|header"):
        process_batch("2024-08-08", data_dir=tmp_path, source=file)


def test_given_a_day_its_bars_hang_on_nothing_else(lake_dir: Path, make: SimpleNamespace) -> None:
    process_batch("2024-08-09", data_dir=lake_dir, every=("5m", "10s"))
    with connect(lake_dir) as market:
        ticks = market.ticks("BTC-USD", start="2024-08-09")
        quotes = market.quotes("BTC-USD", start="2024-08-09")
        minutes = market._rows("market_microstructure", "BTC-USD", None, "2024-08-09", None)
    folder = lake_dir / "derived" / "lake"
    for table, expected in (
        ("bars_5m", resample(minutes, "5m")),
        ("bars_10s", resample_ticks(ticks, quotes, "10s")),
    ):
        made = read(folder, table).filter(pl.col("symbol") == "BTC-USD")
        assert made.equals(expected.select(made.columns))


def test_given_real_candles_all_days_are_done(shared_data: Path, tmp_path: Path) -> None:
    file = shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz"
    job = job_of(tmp_path, file, {"BTC-USD"}, ("1h",), None, None)
    days = batches_of(job, [], None)
    assert [days[0].id, days[-1].id] == ["2024-08-01/BTC-USD", "2024-11-10/BTC-USD"]
    outcomes = run(replace(job, folder=tmp_path / "some"), days[::20], workers=1)
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert all(outcome.tables["bars_1h"].rows > 20 for outcome in outcomes)


def test_given_many_row_groups_a_row_keeps_its_number_in_the_file(tmp_path: Path) -> None:
    frame = pl.DataFrame({"time": [1_723_075_200 + 60 * k for k in range(4_320)], "price": [1.0] * 4_320})
    file = tmp_path / "grouped.parquet"
    frame.with_columns(pl.lit(1.0).alias("size")).write_parquet(file, row_group_size=100)
    process_batch("2024-08-09", data_dir=tmp_path, source=file, every=("1h",))
    made = read(tmp_path / "derived" / "grouped", "ticks")
    assert made["tape_pos"].to_list() == list(range(1_440, 2_880))
