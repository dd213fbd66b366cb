"""``barograph simulate --serve``: a venue in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest

from barograph.cli.run import main
from barograph.testing.log import read_events


@contextmanager
def serving(*flags: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """A process that serves, and what it said of itself."""
    command = [sys.executable, "-m", "barograph", "simulate", "--serve", *flags, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=cwd, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            yield process, msgspec.json.decode(process.stdout.readline())
        finally:
            process.kill()


def ask(url: str, value: Any = None) -> Any:
    data = None if value is None else msgspec.json.encode(value)
    with urlopen(Request(url, data)) as answer:
        return msgspec.json.decode(answer.read())


def test_it_trades_says_where_and_ends_cleanly_when_told(tmp_path: Path) -> None:
    with serving("kraken", "--symbols", "SOL-USD", "--rate", "50", "--control", cwd=tmp_path) as (
        process,
        told,
    ):
        assert told["venue"] == "kraken"
        assert told["url"].startswith("ws://127.0.0.1:")
        while not (rows := ask(f"{told['rest_url']}/0/public/Trades?pair=SOLUSD")["result"]["SOLUSD"]):
            assert process.poll() is None
        assert rows[0][6] == 1
        assert ask(f"{told['rest_url']}/_barograph/faults", {"refuse": 503})["refuse"] == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_killed_server_goes_on_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "server.jsonl"
    flags = ("binance", "--rate", "200", "--out", str(log))
    with serving(*flags, cwd=tmp_path) as (process, told):
        url = f"{told['rest_url']}/api/v3/trades?symbol=BTCUSDT&limit=1"
        while not ask(url):
            assert process.poll() is None
        process.kill()
    had = [
        event.number for event in read_events(log) if event.symbol == "BTC-USDT" and hasattr(event, "side")
    ]
    assert had
    with serving("binance", "--rate", "0", "--out", str(log), cwd=tmp_path) as (_, told):
        url = f"{told['rest_url']}/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1"
        assert [row["id"] for row in ask(url)] == had


def test_it_ends_by_itself_after_its_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--serve", "coinbase", "--duration", "0.1s", "--data", str(tmp_path)]) == 0
    assert "ws://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--serve", "bynance"], "did you mean 'binance'"),
        (["--serve", "binance", "--port", "70000"], "65535"),
        (["--serve", "binance", "--rate", "-1"], "--rate"),
        (["--serve", "binance", "--real-time"], "--serve trades now"),
        (["--port", "9000"], "belong to --serve"),
        (["--control"], "belong to --serve"),
    ],
)
def test_what_cannot_be_is_refused(flags: list[str], words: str, tmp_path: Path, capsys: Any) -> None:
    assert main(["simulate", *flags, "--data", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err
