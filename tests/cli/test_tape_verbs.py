"""simulate, tape import | list | verify | cat: what comes onto the tape and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

FRAMES = [b'{"e":"trade","n":%d}' % n for n in range(20)]


def recording(folder: Path, count: int = 20) -> Path:
    file = folder / "recording.jsonl"
    file.write_bytes(b"".join(b"%d %s\n" % (1_723_075_200_000_000_000 + n, FRAMES[n]) for n in range(count)))
    return file


def test_an_import_is_on_the_tape_word_for_word(call: Any, tmp_path: Path) -> None:
    [told] = call("tape", "import", recording(tmp_path), "--feed", "binance", "--data", "d", "--json").json
    assert (told["appended"], told["already"], told["rejected_lines"]) == (20, 0, 0)
    raw = call("tape", "cat", "--data", "d", "--kind", "frame", "--raw").out
    assert raw.encode() == b"".join(frame + b"\n" for frame in FRAMES)


def test_the_same_file_twice_is_recorded_once(call: Any, tmp_path: Path) -> None:
    words = ("tape", "import", recording(tmp_path), "--feed", "binance", "--data", "d", "--json")
    call(*words)
    [again] = call(*words).json
    assert (again["appended"], again["already"]) == (0, 20)


def test_a_feed_that_is_not_known_is_refused_before_anything_is_written(call: Any, tmp_path: Path) -> None:
    outcome = call("tape", "import", recording(tmp_path), "--feed", "binanse", "--data", "d", code=2)
    assert "'binance'" in outcome.err
    assert not (tmp_path / "d").exists()


def test_import_wants_a_file_that_is_there(call: Any, tmp_path: Path) -> None:
    assert "absent" in call("tape", "import", tmp_path / "absent", "--feed", "sim", "--data", "d", code=4).err
    assert "FILE" in call("tape", "import", "--feed", "sim", code=2).err


def test_list_and_verify_a_sound_tape(call: Any, tmp_path: Path) -> None:
    call("tape", "import", recording(tmp_path), "--feed", "binance", "--data", "d")
    [segment] = call("tape", "list", "--data", "d", "--json").json
    assert (segment["first_pos"], segment["feeds"]) == (0, "binance")
    assert segment["first"] == "2024-08-08T00:00:00.000000000Z"
    verified = call("tape", "verify", "--data", "d", "--json").json
    assert (verified["sound"], verified["problems"]) == (True, [])


def test_a_damaged_tape_gives_4_and_says_where(call: Any, tmp_path: Path) -> None:
    call("tape", "import", recording(tmp_path), "--feed", "binance", "--data", "d")
    call("simulate", "--duration", "5m", "--data", "d", "--quiet")
    [segment] = (tmp_path / "d" / "tape").glob("*.tape")
    content = bytearray(segment.read_bytes())
    content[300] ^= 0xFF
    segment.write_bytes(content)
    outcome = call("tape", "verify", "--data", "d", "--json", code=4)
    assert outcome.json["sound"] is False
    assert segment.name in outcome.json["problems"][0]
    assert "problems on the tape" in outcome.err
    assert "wrong" in call("doctor", "--data", "d", "--deep", code=4).err


def test_no_tape_gives_4_and_says_what_to_do(call: Any) -> None:
    for verb in (["tape", "list"], ["tape", "verify"], ["tape", "cat"], ["replay"], ["rebuild", "--yes"]):
        assert "no tape" in call(*verb, "--data", "nowhere", code=4).err


def test_cat_picks_records(call: Any, tmp_path: Path) -> None:
    call("tape", "import", recording(tmp_path), "--feed", "binance", "--data", "d")
    call("simulate", "--duration", "1m", "--data", "d", "--quiet")
    records = call("tape", "cat", "--data", "d", "--json").json
    assert [record["pos"] for record in records] == list(range(len(records)))
    assert call("tape", "cat", "--data", "d", "--start", 3, "--stop", 7, "--json").json == records[3:7]
    assert call("tape", "cat", "--data", "d", "--feed", "sim", "--json").json == [
        record for record in records if record["feed"] == "sim"
    ]
    assert call("tape", "cat", "--data", "d", "--kind", "close", "--json").json == [
        record for record in records if record["kind"] == "close"
    ]
    assert call("tape", "cat", "--data", "d").out.count("\n") == len(records)
    assert "kind 'frames'" in call("tape", "cat", "--data", "d", "--kind", "frames", code=2).err


def test_the_same_simulation_gives_the_same_recording(call: Any, tmp_path: Path) -> None:
    words = ("simulate", "--symbols", "BTC-USD", "ETH-USD", "--duration", "3m", "--json")
    first = call(*words, "--seed", 5, "--out", "a.gz").json
    call(*words, "--seed", 5, "--out", "b.gz")
    assert first["symbols"] == ["BTC-USD", "ETH-USD"]
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[4:8] == bytes(4), "gzip's header must not hold the time"
    lines = gzip.decompress((tmp_path / "a.gz").read_bytes()).splitlines()
    assert len(lines) == first["frames"]
    assert json.loads(lines[0].partition(b" ")[2])["s"] in ("BTC-USD", "ETH-USD")
    call(*words, "--seed", 6, "--out", "c.gz")
    assert (tmp_path / "c.gz").read_bytes() != (tmp_path / "a.gz").read_bytes()


def test_a_recording_of_the_simulator_equals_its_tape(call: Any, tmp_path: Path) -> None:
    call("simulate", "--duration", "2m", "--out", "sim.jsonl")
    call("tape", "import", "sim.jsonl", "--feed", "sim", "--data", "imported")
    call("simulate", "--duration", "2m", "--data", "direct")
    frames = [
        call("tape", "cat", "--data", data, "--kind", "frame", "--raw").out for data in ("imported", "direct")
    ]
    assert frames[0] == frames[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--duration", "90s"], "whole number of minutes"),
        (["--start", "2024-08-08T00:00:30"], "whole minute"),
        (["--real-time", "--start", "2024-08-08"], "--real-time"),
        (["--symbols", "BTC-USDD"], "BTC-USD"),
        (["--rate", "0"], "rate"),
    ],
)
def test_what_cannot_be_simulated_is_refused(call: Any, tmp_path: Path, words: list[str], said: str) -> None:
    assert said in call("simulate", *words, "--out", "x", code=2).err
    assert not list(tmp_path.glob("x*"))
