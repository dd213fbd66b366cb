"""Reading while others write: no error, no half-made minute, nothing that history does not hold.

The recording comes in parts, each imported and replayed in small strides, while another
process asks again and again. Every row of a minute that it is ever shown must be one that the
line made, bit for bit: the final one, an earlier revision, or, for a minute that was open when
a replay came to its end, what that minute had come to by then. And a commit is seen whole or
not at all: an answer that holds a trade holds every minute that this trade, or any before it,
had closed or revised.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from barograph.clock import SystemClock
from barograph.recorder import replay
from barograph.store import Lake, Scan
from barograph.tape import TapeWriter, import_recording

from . import synthetic
from .watching import KEY, VERSION

STRIDE = 150
WHOLE = 65_536
PARTS = 4
LINES = 12_000
WATCHER = Path(__file__).with_name("watching.py")


def parts_of(recording: Path, folder: Path) -> Iterator[Path]:
    """A recording as several, each a connection of its own."""
    with gzip.open(recording, "rt") if recording.suffix == ".gz" else recording.open() as file:
        lines = list(islice(file, LINES))
    for number in range(PARTS):
        path = folder / f"part-{number}.txt"
        path.write_text("".join(lines[number * len(lines) // PARTS : (number + 1) * len(lines) // PARTS]))
        yield path


def plain(bars: pa.Table) -> list[str]:
    """Rows as JSON text, times in microseconds, so that equal rows are equal texts."""
    times = [name for name in bars.schema.names if pa.types.is_timestamp(bars.schema.field(name).type)]
    for name in times:
        bars = bars.set_column(bars.schema.get_field_index(name), name, bars[name].cast(pa.int64()))
    return [json.dumps(row, sort_keys=True) for row in bars.to_pylist()]


def take_in(data: Path, part: Path, stride: int) -> None:
    """Import one part and bring the tables up to it."""
    with TapeWriter(data / "tape", clock=SystemClock()) as tape:
        import_recording(tape, part, "binance")
    replay(data, stride_records=stride)


def history(data: Path) -> list[str]:
    """Every version of every minute that is or was in the tables; no day of ``data`` was ever sealed."""
    days = Lake(data / "lake").days(Scan("market_microstructure"))
    files = [part.path for day in days for part in day.parts]
    return [row for path in files for row in plain(pq.read_table(path))]


def unseen(look: dict[str, Any], made: list[dict[str, Any]]) -> list[Any]:
    """Minutes that a look should have held, made by records as far as its ticks and quotes reach."""
    shown = {tuple(key): version for key, version in look["versions"]}
    return [
        row
        for row in made
        if row["tape_pos"] <= look["reached"]
        and shown.get(tuple(row[name] for name in KEY), []) < [row[name] for name in VERSION]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binance-spot-btcusdt_20240808.jsonl.gz", "made up"])
def test_reader_sees_only_what_history_holds(recordings: Path, tmp_path: Path, name: str) -> None:
    recording = synthetic.write(tmp_path / "made-up.txt") if name == "made up" else recordings / name
    data, done, seen_path = tmp_path / "data", tmp_path / "done", tmp_path / "seen.json"
    data.mkdir()
    parts = list(parts_of(recording, tmp_path))
    command = [sys.executable, str(WATCHER), str(data), str(done), str(seen_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdout is not None
        try:
            for part in parts:
                # A part comes only after another look, so that there are looks at every stage.
                assert watcher.stdout.readline(), "the reader has died"
                take_in(data, part, STRIDE)
                Lake(data / "lake").seal(all=True)
        finally:
            done.touch()
        watcher.communicate()
    assert watcher.returncode == 0

    seen = json.loads(seen_path.read_text())
    assert seen["errors"] == []
    assert len(seen["looks"]) > PARTS
    for part in parts:
        take_in(tmp_path / "alone", part, WHOLE)
    known = history(tmp_path / "alone")
    rows = [json.dumps(row, sort_keys=True) for row in seen["rows"]]
    assert sorted(set(rows) - set(known)) == []
    made = [json.loads(row) for row in known]
    assert [each for look in seen["looks"] for each in unseen(look, made)] == []
    lake = Lake(data / "lake")
    assert set(plain(pa.Table.from_batches(list(lake.scan(Scan("market_microstructure")))))) <= set(rows)
    last = [seen["looks"][-1][name] for name in ("ticks", "quotes")]
    assert last == [sum(b.num_rows for b in lake.scan(Scan(name))) for name in ("ticks", "quotes")]
