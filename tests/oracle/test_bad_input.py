"""Recordings that are broken: said plainly, with the right exit code, and nothing else is lost."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest

from . import captures
from .conftest import Cli

Ask = Callable[[Path, str], list[dict[str, Any]]]

SPOT = "binance-spot-btcusdt_20240808.jsonl.gz"
LINES = 3_000
HUGE_BYTES = 100_000_000
DATA_ERROR = 4


@pytest.fixture
def lines(recordings: Path) -> list[str]:
    """The first lines of a real recording, with their ends."""
    with gzip.open(recordings / SPOT, "rt") as file:
        return list(islice(file, LINES))


@pytest.fixture
def sound(tmp_path: Path, lines: list[str]) -> Path:
    """A recording without a fault."""
    path = tmp_path / "sound.txt"
    path.write_text("".join(lines))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def count(ask: Ask, data: Path, table: str) -> int:
    (row,) = ask(data, f"select count(*) as n from {table}")
    return int(row["n"])


def test_truncated_gzip_keeps_all_before_the_cut(
    cli: Cli, ask: Ask, data: Path, tmp_path: Path, lines: list[str], sound: Path
) -> None:
    whole = gzip.compress("".join(lines).encode(), mtime=0)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) * 2 // 3])

    done = cli("tape", "import", cut, "--feed", "binance", "--data", data)
    assert done.returncode == DATA_ERROR
    assert "cut.gz" in done.stderr
    assert "import it again" in done.stderr
    assert cli("replay", "--data", data).returncode == 0
    some = count(ask, data, "ticks")
    assert 0 < some < len(captures.read(sound, "binance").ticks)

    cut.write_bytes(whole)
    assert cli("tape", "import", cut, "--feed", "binance", "--data", data).returncode == 0
    assert cli("replay", "--data", data).returncode == 0
    expected = captures.read(sound, "binance")
    assert count(ask, data, "ticks") == len(expected.ticks)
    assert count(ask, data, "quotes") == len(expected.quotes)


NO_RECORDINGS = {
    "empty.txt": b"",
    "empty.gz": gzip.compress(b""),
    "garbage.txt": Random(5).randbytes(300_000),
    "garbage.gz": gzip.compress(Random(5).randbytes(300_000)),
    "not-gzip.gz": b"\x1f\x8b" + Random(6).randbytes(1_000),
}


def test_what_is_no_recording_is_refused_and_leaves_all_as_it_was(
    cli: Cli, ask: Ask, data: Path, tmp_path: Path, sound: Path
) -> None:
    assert cli("tape", "import", sound, "--feed", "binance", "--data", data).returncode == 0
    before = cli("tape", "list", "--json", "--data", data).stdout
    for name, content in NO_RECORDINGS.items():
        bad = tmp_path / name
        bad.write_bytes(content)
        done = cli("tape", "import", bad, "--feed", "binance", "--data", data)
        assert done.returncode == DATA_ERROR, f"{name}: {done.stderr}"
        assert name in done.stderr
        assert "Traceback" not in done.stderr
    assert cli("tape", "list", "--json", "--data", data).stdout == before
    assert cli("tape", "verify", "--data", data).returncode == 0
    assert cli("replay", "--data", data).returncode == 0
    assert count(ask, data, "ticks") == len(captures.read(sound, "binance").ticks)


def test_a_file_that_is_not_there_is_told(cli: Cli, data: Path, tmp_path: Path) -> None:
    done = cli("tape", "import", tmp_path / "nowhere.gz", "--feed", "binance", "--data", data)
    assert done.returncode == DATA_ERROR
    assert "nowhere.gz" in done.stderr


@pytest.mark.slow
def test_hundred_megabytes_in_one_line_lose_nothing_else(
    cli: Cli, ask: Ask, data: Path, tmp_path: Path, lines: list[str], sound: Path
) -> None:
    huge = tmp_path / "huge.txt"
    middle = lines[LINES // 2].split(" ", 1)[0]
    with huge.open("w") as file:
        file.writelines(lines[: LINES // 2])
        file.write(f'{middle} {{"e":"trade","s":"')
        file.write("X" * HUGE_BYTES)
        file.write('"}\n')
        file.writelines(lines[LINES // 2 :])

    done = cli("tape", "import", huge, "--feed", "binance", "--data", data)
    assert done.returncode == 0, done.stderr
    done = cli("replay", "--data", data)
    assert done.returncode == 0, done.stderr
    expected = captures.read(sound, "binance")
    assert count(ask, data, "ticks") == len(expected.ticks)
    assert count(ask, data, "quotes") == len(expected.quotes)
    (reject,) = ask(data, "select venue, reason, length(excerpt) as size from rejects")
    assert reject["venue"] == "binance"
    assert 0 < reject["size"] < 10_000
