from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.clock import NS_PER_S
from barograph.gaps import Alive, Channel, Subscribed
from barograph.recorder.line import Line, LineState
from barograph.recorder.shaping import LineSettings
from barograph.records import Kind, Records, Stream
from barograph.snapshot import pack, unpack
from barograph.tables import TABLES

from .making import records

TAPE = records()


def whole(parts: list[dict[str, pa.Table]]) -> dict[str, pa.Table]:
    """All rows by table, in an order that does not depend on the runs."""
    made = {}
    for name, table in TABLES.items():
        rows = [part[name] for part in parts if name in part]
        if rows:
            keys = [*table.sort, *(k for k in ("revision", "tape_pos", "reason") if k in table.names)]
            made[name] = pa.concat_tables(rows).sort_by([(key, "ascending") for key in dict.fromkeys(keys)])
    return made


def drive(tape: Records, cuts: Sequence[int], *, saved: bool) -> tuple[Line, dict[str, pa.Table]]:
    line, parts = Line(LineSettings()), []
    bounds = sorted({0, len(tape), *cuts})
    for start, stop in pairwise(bounds):
        parts.append(line.advance(tape.cut(start, stop)))
        if saved:
            line = Line(LineSettings(), unpack(pack(line.state()), LineState))
    return line, whole(parts)


ONE_RUN = drive(TAPE, [], saved=False)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, len(TAPE)), max_size=40), st.booleans())
def test_any_runs_and_any_restarts_make_the_same_rows(cuts: list[int], saved: bool):
    line, made = drive(TAPE, cuts, saved=saved)
    assert made.keys() == ONE_RUN[1].keys()
    for name, rows in made.items():
        assert rows.equals(ONE_RUN[1][name]), name
    last = TAPE.cut(len(TAPE) - 1, len(TAPE))
    assert line.open_minutes(last).equals(ONE_RUN[0].open_minutes(last))
    assert line.counts == ONE_RUN[0].counts


def test_the_tape_brings_what_it_was_made_to_bring():
    counts, made = ONE_RUN[0].counts, ONE_RUN[1]
    assert counts.ticks > 800
    assert counts.duplicates > 40
    assert counts.late > 5
    assert counts.rejects == made["rejects"].num_rows > 5
    assert counts.unrevised == 0
    assert set(made["ticks"]["venue"].to_pylist()) == {"sim", "binance"}
    assert max(made["market_microstructure"]["revision"].to_pylist()) > 0


def test_a_row_names_the_record_that_it_was_made_of():
    ticks = ONE_RUN[1]["ticks"].filter(pa.compute.equal(ONE_RUN[1]["ticks"]["venue"], "binance"))
    for row in ticks.slice(0, 50).to_pylist():
        assert f'"t":{row["trade_id"]},'.encode() in TAPE.payloads[row["tape_pos"]]


def test_every_minute_with_rows_has_coverage_of_each_channel():
    coverage = ONE_RUN[1]["coverage"].to_pylist()
    assert ONE_RUN[0].counts.coverage == len(coverage)
    assert {(row["venue"], row["channel"]) for row in coverage} == {
        ("sim", "trades"),
        ("sim", "quotes"),
        ("binance", "trades"),
    }
    newest = {(row["minute"], row["venue"], row["symbol"], row["channel"]): row for row in coverage}
    ticks = ONE_RUN[1]["ticks"].to_pylist()
    for (minute, venue, symbol, channel), row in newest.items():
        if channel == "trades" and row["state"] == "complete":
            of_minute = [t for t in ticks if (t["venue"], t["symbol"]) == (venue, symbol)]
            count = sum(t["ts"].replace(second=0, microsecond=0) == minute for t in of_minute)
            # Rows on their way when the tape ended have not been written down yet.
            assert row["messages"] <= count
            assert row["tape_pos"] > 0


def test_the_ledger_judges_by_what_the_tape_says_was_asked_for_and_by_the_house_s_calendars():
    start_ns = 1_723_118_400_000_000_000  # 12:00 UTC; New York opens at 13:30
    wanted = {"MSFT": (Channel.TRADES,)}
    asked = msgspec.json.encode(Subscribed(wanted=wanted, calendars={"MSFT": "XNYS"}))
    alive = [
        (start_ns + second * NS_PER_S, Kind.CLOCK, msgspec.json.encode(Alive(start_ns + second * NS_PER_S)))
        for second in range(5_280, 5_530)
    ]
    rows = [(start_ns + 5_279 * NS_PER_S, Kind.CONFIG, asked), *alive]
    run = Records(
        0,
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows], dtype=np.uint8),
        np.zeros(len(rows), dtype=np.uint32),
        (Stream("polygon-stocks", "stocks-0"),),
        [row[2] for row in rows],
    )
    made = Line(LineSettings()).advance(run)["coverage"].to_pylist()
    assert [(row["minute"].strftime("%H:%M"), row["state"]) for row in made] == [
        ("13:28", "closed"),
        ("13:29", "closed"),
        ("13:30", "idle"),
        ("13:31", "idle"),
    ]


def test_open_minutes_changes_nothing():
    line, _ = drive(TAPE, [], saved=False)
    before = pack(line.state())
    last = TAPE.cut(len(TAPE) - 1, len(TAPE))
    assert line.open_minutes(last).num_rows > 0
    assert pack(line.state()) == before


@pytest.mark.parametrize("cuts", [[], [1], [1, 2]])
def test_records_of_an_unknown_feed_are_counted_however_cut(cuts: list[int]):
    strange = replace(TAPE.cut(0, 3), streams=tuple(Stream("newer", s.connection) for s in TAPE.streams))
    line, made = drive(strange, cuts, saved=True)
    assert made == {}
    assert line.counts.unknown == {"newer: a feed that this version does not know": 3}


def test_advance_given_a_run_that_does_not_follow_raises():
    with pytest.raises(ValueError, match="stands at 0"):
        Line(LineSettings()).advance(TAPE.cut(5, 9))
