"""What the demo shows of what it did."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from barograph.anomalies.scoring import Score, Scores
from barograph.cli.demo_view import (
    DemoReport,
    SymbolMinutes,
    as_json,
    as_text,
    command_name,
    size,
    sparkline,
    try_next,
)
from barograph.recorder.demo import Demo
from barograph.recorder.line import Counts

START = datetime(2024, 8, 8, 13, tzinfo=UTC)
MINUTES = [
    {
        "timestamp": START + timedelta(minutes=minute),
        "price": 100.0 + minute,
        "volume": 2.5,
        "vwap": 100.123456789,
        "bid_ask_spread": 0.01,
        "order_imbalance": -0.25,
        "volatility_1min": 0.00123456,
        "volume_spike_score": None,
        "rsi_14": 50.0,
    }
    for minute in range(8)
]
DEMO = Demo(
    source="a simulated hour",
    data=Path("my data"),
    counts=Counts(frames=30_000, ticks=10_000, quotes=20_000, rejects=3),
    minutes=120,
    seconds=0.5,
    scores=Scores({"volume_spike": Score(4, 3, 6, 3), "price_jump": Score(0, 0, 0, 0)}, Score(4, 3, 6, 3)),
    anomalies=6,
)
REPORT = DemoReport(DEMO, [SymbolMinutes("BTC-USD", "sim", MINUTES)], 3_000_000, 900, fresh=True)


def test_the_text_has_every_number() -> None:
    text = as_text(REPORT)
    for words in (
        "30,000 frames",
        "60,000 frames/s",
        "10,000 ticks",
        "20,000 quotes",
        "120 minutes",
        "0.50 s",
    ):
        assert words in text
    for words in ("▁▂▃▄▅▆▇█", "13:07", "107", "0.0012346", "50 %", "75 %", "3.0 MB", "900 B"):
        assert words in text
    assert "3 frames could not be read" in text
    assert "13:02" not in text, "only the last five minutes are shown"


def test_no_speed_is_told_of_work_that_was_done_before() -> None:
    again = replace(REPORT, fresh=False)
    assert "frames/s" not in as_text(again)
    assert as_json(again)["frames_per_s"] is None


def test_no_colour_where_standard_output_is_no_terminal() -> None:
    assert "\x1b" not in as_text(REPORT)


def test_a_recording_has_no_recall_to_tell() -> None:
    assert "nothing can be scored" in as_text(replace(REPORT, demo=replace(DEMO, scores=None)))


def test_the_scores_in_json() -> None:
    shown = as_json(REPORT)
    assert [row["kind"] for row in shown["scores"]] == ["volume_spike", "price_jump", "all"]
    assert shown["scores"][0] == {
        "kind": "volume_spike",
        "put_in": 4,
        "found": 3,
        "reported": 6,
        "true": 3,
        "precision": 0.5,
        "recall": 0.75,
    }
    assert shown["scores"][1]["precision"] is None
    assert shown["frames_per_s"] == 60_000


def test_the_commands_to_try_name_the_folder_and_a_symbol() -> None:
    commands = try_next(REPORT)
    assert len(commands) == 3
    assert all(command.endswith("--data 'my data'") for command in commands)
    assert "BTC-USD" in commands[0]


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([None], ""), ([5.0, 5.0], "▁▁"), ([0.0, float("nan"), 7.0], "▁ █"), ([-1, 0, 1], "▁▄█")],
)
def test_sparkline(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (5 * 10**12, "5000.0 GB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_the_commands_to_try_next_work_without_an_activated_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/barograph", "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_name() == ".venv/bin/barograph"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert command_name() == "barograph"
