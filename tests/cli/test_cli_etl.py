"""``barograph etl run`` through the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

START = datetime(2024, 8, 8, tzinfo=UTC)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two days of hourly prices under the default name, one line of them broken."""
    path = tmp_path / "raw" / "btc_price_data.csv"
    path.parent.mkdir()
    lines = ["timestamp,price"] + [
        f"{START + timedelta(hours=k):%Y-%m-%d %H:%M},{100 + k % 9}" for k in range(48)
    ]
    lines[5] = "2024-08-08 04:00,-1"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_given_the_default_file_days_are_cleaned_and_resampled(call: Any, raw: Path) -> None:
    rows = call("etl", "run", "--every", "4h,1d", "--workers", "1", "--json").json
    assert [row["batch"] for row in rows] == ["2024-08-08/btc_price_data", "2024-08-09/btc_price_data"]
    assert [row["state"] for row in rows] == ["done", "done"]
    assert [(row["rows"], row["bars"]) for row in rows] == [(23, 7), (24, 7)]
    assert rows[0]["flagged"] == {"nonpositive": 1}
    made = Path("data/derived/btc_price_data/bars_4h/date=2024-08-09/btc_price_data.parquet")
    assert pl.read_parquet(made).height == 6


def test_given_a_second_run_it_says_that_there_is_nothing_to_do(call: Any, raw: Path) -> None:
    first = call("etl", "run", "--batch", "2024-08-08", "--workers", "1")
    assert "1 batches: 1 done; flagged: nonpositive 1; in data/derived/btc_price_data" in first.err
    assert first.out.startswith(
        "batch,state,rows,bars,flagged,bytes,error\n2024-08-08/btc_price_data,done,23,23,nonpositive 1,"
    )
    again = call("etl", "run", "--batch", "2024-08-08", "--workers", "1")
    assert "nothing to do: all 1 batches were made from the same rows before" in again.err
    assert again.out == first.out.replace(",done,", ",nothing to do,")


def test_given_a_symbol_and_a_folder_they_are_used(call: Any, raw: Path, tmp_path: Path) -> None:
    words = ("--source", raw, "--symbols", "BTC-USD", "--out", tmp_path / "out", "--workers", "1")
    call("etl", "run", "--batch", "2024-08-08..2024-08-09/BTC-USD", *words)
    found = {path.name for path in (tmp_path / "out" / "btc_price_data" / "bars_5m").rglob("*.parquet")}
    assert found == set(), "no five minutes out of hours"
    found = {path.name for path in (tmp_path / "out" / "btc_price_data" / "bars_1h").rglob("*.parquet")}
    assert found == {"BTC-USD.parquet"}


def test_given_a_batch_that_fails_the_others_are_done_and_the_code_is_4(call: Any, raw: Path) -> None:
    record = Path("data/derived/btc_price_data/made/date=2024-08-08/btc_price_data.json")
    record.parent.mkdir(parents=True)
    record.write_text("torn")
    outcome = call("etl", "run", "--workers", "1", "--json", code=4)
    assert [row["state"] for row in outcome.json] == ["failed", "done"]
    assert "2024-08-08/btc_price_data failed" in outcome.err
    assert "delete it and run the batch again" in outcome.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--batch", "soon"), 2, "is not a batch"),
        (("--batch", "2030-01-01"), 4, "holds nothing"),
        (("--every", "7m"), 2, "does not divide the day"),
        (("--every", ","), 2, "no interval"),
        (("--source", "nowhere.csv"), 2, "nowhere.csv"),
        (("--workers", "0"), 2, "0 workers"),
        (("--workers", "2", "--cluster", "tcp://127.0.0.1:9"), 2, "not both"),
    ],
)
def test_given_what_cannot_be_it_says_why(
    call: Any, raw: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    assert said in call("etl", "run", *words, code=code).err


def test_given_settings_they_bound_the_outliers(
    call: Any, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAROGRAPH__BARS__OUTLIER_PCT", "3")
    (_, second) = call("etl", "run", "--workers", "1", "--json").json
    assert second["flagged"]["outlier"] > 0
