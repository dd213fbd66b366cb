"""Rows read back for very late trades, and a recorder that stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from barograph.recorder.line import Line
from barograph.recorder.recall import StoreRecall
from barograph.recorder.shaping import LineSettings
from barograph.store import Commit, Lake

from .making import records

TAPE = records()
BEGIN, END = -(2**60), 2**60


def test_recall_gives_the_ticks_and_quotes_of_an_instrument_in_the_order_of_the_tape(tmp_path: Path) -> None:
    lake, line = Lake(tmp_path / "lake"), Line(LineSettings())
    recall = StoreRecall(lake)
    recall.instruments = line.instruments
    made = []
    half = len(TAPE) // 2
    for start, stop in ((0, half), (half, len(TAPE))):
        made.append(line.advance(TAPE.cut(start, stop)))
    lake.commit(Commit(0, half, made[0]))
    recall.upto, recall.uncommitted = half, made[1]
    for instrument, symbol in enumerate(line.instruments.symbols):
        ticks, quotes = recall.rows(instrument, BEGIN, END)
        for found, name in ((ticks, "ticks"), (quotes, "quotes")):
            wanted = [row for part in made for row in part[name].to_pylist() if row["symbol"] == symbol]
            assert found.record.tolist() == [row["tape_pos"] for row in wanted]
            assert found.seq.tolist() == [-1 if row["seq"] is None else row["seq"] for row in wanted]
        bid = [
            row["bid_size"] for part in made for row in part["quotes"].to_pylist() if row["symbol"] == symbol
        ]
        np.testing.assert_array_equal(quotes.bid_size, np.array(bid, dtype=np.float64))
    lake.close()


def test_line_store_and_recall_load_neither_pandas_nor_polars_nor_duckdb(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from making import records
from barograph.recorder.line import Line
from barograph.recorder.shaping import LineSettings
from barograph.recorder.recall import StoreRecall
from barograph.snapshot import pack
from barograph.store import Commit, Lake, compaction
compaction.FAN_IN = 2
tape, lake = records(), Lake({str(tmp_path / "lake")!r})
recall = StoreRecall(lake)
line = Line(LineSettings(), None, recall)
recall.instruments = line.instruments
for start in range(0, len(tape), 400):
    run = tape.cut(start, min(start + 400, len(tape)))
    recall.upto = run.first_pos
    recall.uncommitted = line.advance(run)
    recall.rows(0, {BEGIN}, {END})
    lake.commit(Commit(run.first_pos, run.next_pos, recall.uncommitted))
    lake.compact()
line.open_minutes(run)
pack(line.state())
assert lake.seal(all=True)
lake.close()
print(sorted({{"pandas", "polars", "duckdb"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
