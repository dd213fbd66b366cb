"""From a recording or the simulator to rows, verb by verb, as a person does it."""

from __future__ import annotations

import gzip
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from barograph.cli import main
from barograph.cli.demo_view import try_next
from barograph.recorder import LineSettings
from barograph.recorder.shaping import line_settings
from barograph.settings import Settings

RECORDING = "binance-spot-btcusdt_20240808.jsonl.gz"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with twenty minutes of two simulated symbols, replayed."""
    data = tmp_path_factory.mktemp("simulated") / "d"
    words = ["--data", str(data), "--quiet"]
    assert main(["simulate", "--duration", "20m", "--symbols", "BTC-USD", "ETH-USD", *words]) == 0
    assert main(["replay", *words]) == 0
    return data


@pytest.fixture
def data(simulated: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(simulated, tmp_path / "d"))


def test_a_recording_becomes_rows(call: Any, recordings: Path) -> None:
    call("tape", "import", recordings / RECORDING, "--feed", "binance", "--data", "d")
    told = call("replay", "--data", "d", "--json").json
    assert (told["frames"], told["ticks"], told["quotes"], told["rejects"]) == (41_249, 9_757, 28_040, 0)
    assert call("query", "SELECT count(*) AS n FROM ticks", "--data", "d", "--json").json == [{"n": 9757}]
    again = call("replay", "--data", "d", "--json").json
    assert (again["records"], again["ticks"]) == (0, 9_757)
    call("tape", "import", recordings / RECORDING, "--feed", "binance", "--data", "d")
    assert call("replay", "--data", "d", "--json").json["records"] == 0


def test_the_first_and_last_price_are_those_of_the_recording(call: Any, recordings: Path) -> None:
    call("tape", "import", recordings / RECORDING, "--feed", "binance", "--data", "d")
    call("replay", "--data", "d")
    with gzip.open(recordings / RECORDING, "rt") as lines:
        trades = [line for line in lines if '"e":"trade"' in line]
    prices = [float(line.partition('"p":"')[2].partition('"')[0]) for line in trades]
    rows = call("ticks", "BTC-USDT", "--data", "d", "--json").json
    assert sorted(row["price"] for row in rows) == sorted(prices)
    assert rows[0]["price"] == prices[0]


def test_status_and_doctor_of_a_sound_directory(call: Any, data: Path) -> None:
    status = call("status", "--data", data, "--json").json
    assert status["tables_reach"] == status["tape"]["end"] > 0
    assert (status["records_behind"], status["tape"]["feeds"]) == (0, ["sim"])
    assert status["ticks"]["rows"] > 100
    findings = call("doctor", "--deep", "--data", data, "--json").json
    assert {finding["state"] for finding in findings} == {"ok"}


def test_status_says_when_the_tables_are_behind(call: Any, data: Path) -> None:
    call("simulate", "--seed", 2, "--start", "2024-08-09", "--duration", "1m", "--data", data)
    outcome = call("status", "--data", data, "--json")
    assert outcome.json["records_behind"] > 0
    assert "barograph replay" in outcome.err
    call("replay", "--data", data)
    assert call("status", "--data", data, "--json").json["records_behind"] == 0


def test_a_rebuild_gives_the_same_rows(call: Any, data: Path) -> None:
    questions = [
        f"SELECT * FROM {name} ORDER BY ALL" for name in ("ticks", "quotes", "market_microstructure")
    ]
    before = [call("query", question, "--data", data).out for question in questions]
    plan = call("rebuild", "--dry-run", "--data", data, "--json").json
    assert plan["dry_run"] is True
    call("rebuild", "--yes", "--data", data)
    assert [call("query", question, "--data", data).out for question in questions] == before
    call("replay", "--rebuild", "--data", data)
    assert [call("query", question, "--data", data).out for question in questions] == before


def test_a_rebuild_that_nobody_agreed_to_does_nothing(execute: Any, data: Path) -> None:
    assert "--yes" in execute("rebuild", "--data", data, stdin="", code=2).err


def test_other_settings_are_refused_until_a_rebuild(call: Any, data: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAROGRAPH__BARS__SPIKE_WINDOW", "30")
    call("simulate", "--start", "2024-08-09", "--duration", "1m", "--data", data)
    assert "barograph rebuild" in call("replay", "--data", data, code=3).err
    call("rebuild", "--yes", "--data", data)
    call("replay", "--data", data)


def test_the_defaults_of_the_settings_are_those_of_the_line() -> None:
    assert line_settings(Settings()) == LineSettings()


def test_candles_are_imported_once(call: Any, shared_data: Path) -> None:
    file = shared_data / "candles" / "btcusd-5m-2024-08-to-11.csv.gz"
    words = ("import", file, "--symbol", "BTC-USD", "--venue", "bitstamp", "--data", "d", "--json")
    told = call(*words).json
    assert (told["recorded"], told["candles"], told["left_out"]) == (True, 28_304, 0)
    assert call(*words).json["recorded"] is False
    sql = "SELECT count(*) AS n, min(interval_s) AS s, min(timestamp) AS first FROM candles"
    assert call("query", sql, "--data", "d", "--json").json == [
        {"n": 28_304, "s": 300, "first": told["first"].replace("Z", ".000000Z")}
    ]


def test_rows_that_cannot_be_candles_are_named(call: Any, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        "time,price\n2024-08-08 00:00,1\n2024-08-08 00:01,oops\n2024-08-08 00:02,2\n"
    )
    outcome = call("import", "c.csv", "--symbol", "X", "--interval", "1m", "--data", "d", "--json")
    assert (outcome.json["candles"], outcome.json["left_out"]) == (2, 1)
    assert "line 3 left out: close 'oops' is not a number" in outcome.err
    (tmp_path / "bad.csv").write_text("time,price\n2024-08-08 00:00,oops\n")
    assert (
        "no row" in call("import", "bad.csv", "--symbol", "X", "--interval", "1m", "--data", "e", code=4).err
    )
    assert not (tmp_path / "e").exists()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"time,price\n" * 1000)[:40])
    assert "cannot be read" in call("import", "cut.csv.gz", "--symbol", "X", "--data", "e", code=4).err
    assert "no file" in call("import", "absent.csv", "--symbol", "X", "--data", "e", code=2).err


def test_the_demo_on_a_recording_and_what_it_says_to_try(
    call: Any, recordings: Path, monkeypatch: Any
) -> None:
    seen = []
    monkeypatch.setattr(
        "barograph.cli.demo_view.try_next", lambda report: seen.append(report) or try_next(report)
    )
    shown = call("demo", "--tape", recordings / RECORDING, "--feed", "binance", "--data", "my demo").out
    for words in ("41,249 frames", "9,757 ticks", "28,040 quotes", "frames/s", "nothing can be scored"):
        assert words in shown
    [report] = seen
    for command in try_next(report):
        assert f"  {command}\n" in shown
        assert call(*shlex.split(command)[1:]).out
    again = call(
        "demo", "--tape", recordings / RECORDING, "--feed", "binance", "--data", "my demo", "--json"
    ).json
    assert (again["ticks"], again["frames_per_s"]) == (9_757, None)
    assert "--feed" in call("demo", "--tape", recordings / RECORDING, code=2).err


def test_a_lock_that_is_held_gives_75(call: Any, data: Path) -> None:
    from barograph.disk import Lock

    call("simulate", "--start", "2024-08-09", "--duration", "1m", "--data", data)
    with Lock(data / "state" / "line.lock", "in use"):
        assert "being written" in call("replay", "--data", data, code=75).err
        assert "being written" in call("doctor", "--data", data).out
    call("replay", "--data", data)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupted_simulation_gives_130_and_a_sound_tape(call: Any, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "barograph", "simulate", "--real-time", "--rate", "50", "--data", "d"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not any(file.stat().st_size > 2_000 for file in tmp_path.glob("d/tape/0*")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "nothing came onto the tape"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == "barograph: interrupted; what was written stays, the same command goes on\n"
    assert call("tape", "verify", "--data", "d", "--json").json["sound"] is True
    [close] = call("tape", "cat", "--kind", "close", "--data", "d", "--json").json
    assert "interrupted" in close["payload"]


def test_doctor_tells_leftovers_and_variables_that_are_not_read(
    call: Any, data: Path, monkeypatch: Any
) -> None:
    import os

    (data / "state" / "line.tmp").touch()
    os.utime(data / "state" / "line.tmp", (0, 0))
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("USE_S3", "true")
    notes = {
        row["about"]: row for row in call("doctor", "--data", data, "--json").json if row["state"] == "note"
    }
    assert set(notes) == {"environment", "s3", "leftovers"}
    assert "AWS_REGION" in notes["environment"]["message"]
    assert "USE_S3" in notes["s3"]["message"]
    assert "line.tmp" in notes["leftovers"]["message"]


def test_a_tape_that_ends_before_the_tables_is_wrong(call: Any, data: Path) -> None:
    for segment in (data / "tape").glob("0*"):
        segment.unlink()
    doctor = call("doctor", "--data", data, "--json", code=4)
    assert [row["about"] for row in doctor.json if row["state"] == "wrong"] == ["reach"]
