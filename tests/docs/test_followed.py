"""README.md and docs/getting-started.md followed to the letter: every command runs, in its order."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.cli import main

ROOT = Path(__file__).resolve().parents[2]
RECORDING = "tapes/binance-spot-btcusdt_20240808.jsonl.gz"
CANDLES = "candles/btcusd-5m-2024-08-to-11.csv.gz"


def lines(document: Path) -> Iterator[list[str]]:
    """The shell lines of the document's blocks, as words."""
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
        yield from filter(None, (shlex.split(line, comments=True) for line in block.splitlines()))


def pieces(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The commands of a line, each with what is piped into it."""
    piped = ""
    while words:
        ends = next((at for at, word in enumerate(words) if word in ("&&", "|")), len(words))
        command, words = words[:ends], words[ends + 1 :]
        if command[0] == "echo":
            piped = command[1]
        else:
            yield piped, command


@pytest.mark.slow
def test_getting_started(shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "question.sql").write_text("SELECT 1 AS one")
    names = {"FILE": str(shared_data / RECORDING), "candles.csv": str(shared_data / CANDLES), "6h": "20m"}
    followed = 0
    for words in lines(ROOT / "docs" / "getting-started.md"):
        for piped, command in pieces(words):
            assert command[0] == "barograph"
            monkeypatch.setattr(sys, "stdin", io.StringIO(piped))
            assert main([names.get(word, word) for word in command[1:]]) == 0, command
            followed += 1
    assert followed > 25
