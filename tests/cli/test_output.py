"""Rows as JSON, CSV and tables: what each value becomes."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from barograph.cli.output import Form, write_batches, write_object, write_records
from barograph.cli.text_table import text_table

MOMENT = datetime(2024, 8, 8, 13, 35, 0, 250_000, tzinfo=UTC)


def reader(*tables: pa.Table) -> pa.RecordBatchReader:
    schema = tables[0].schema
    return pa.RecordBatchReader.from_batches(schema, (b for table in tables for b in table.to_batches()))


def shown(capfdbinary: Any, table: pa.Table, form: Form, rows: int = 0) -> tuple[str, int]:
    left = write_batches(reader(table), form, rows=rows)
    return capfdbinary.readouterr().out.decode(), left


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([MOMENT], pa.timestamp("us", tz="UTC")), "2024-08-08T13:35:00.250000Z"),
        (pa.array([MOMENT], pa.timestamp("ns", tz="Asia/Kolkata")), "2024-08-08T13:35:00.250000Z"),
        (pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us")), "2024-08-08T13:35:00.250000"),
        (pa.array([date(2024, 8, 8)]), "2024-08-08"),
        (pa.array([math.nan]), None),
        (pa.array([math.inf]), None),
        (pa.array([None], pa.float64()), None),
        (pa.array([2**62 + 1], pa.int64()), 2**62 + 1),
        (pa.array([Decimal(12)], pa.decimal128(38, 0)), 12),
        (pa.array([Decimal("1.50")], pa.decimal128(10, 2)), 1.5),
        (pa.array(["BTC-USD"]).dictionary_encode(), "BTC-USD"),
        (pa.array([[1, 2]]), [1, 2]),
        (pa.array([True]), True),
        (pa.array(['ünï\n"x"']), 'ünï\n"x"'),
    ],
)
def test_a_value_in_json(capfdbinary: Any, column: pa.Array, expected: object) -> None:
    text, _ = shown(capfdbinary, pa.table({"v": column}), "json")
    [row] = json.loads(text)
    assert repr(row) == repr({"v": expected}), "1 and 1.0 are not the same answer"


def test_json_of_no_rows_and_of_many_batches(capfdbinary: Any) -> None:
    table = pa.table({"n": pa.array(range(5), pa.int64())})
    assert shown(capfdbinary, table.slice(0, 0), "json")[0] == "[]\n"
    write_batches(reader(table, table.slice(0, 0), table), "json")
    assert [row["n"] for row in json.loads(capfdbinary.readouterr().out)] == [*range(5), *range(5)]


def test_csv_has_one_header_even_without_rows(capfdbinary: Any) -> None:
    table = pa.table({"ts": pa.array([MOMENT], pa.timestamp("us", tz="UTC")), "text": ['a,"b"']})
    assert shown(capfdbinary, table.slice(0, 0), "csv")[0].replace('"', "") == "ts,text\n"
    write_batches(reader(table, table), "csv")
    lines = list(csv.reader(io.StringIO(capfdbinary.readouterr().out.decode())))
    assert lines == [["ts", "text"], *[["2024-08-08T13:35:00.250000Z", 'a,"b"']] * 2]


def test_columns_of_one_name_are_told_apart(capfdbinary: Any) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert json.loads(shown(capfdbinary, table, "json")[0]) == [{"a": 1, "a_2": 2}]


def test_a_table_stops_and_says_how_many_rows_are_left(capfdbinary: Any) -> None:
    table = pa.table({"n": list(range(100))})
    text, left = shown(capfdbinary, table, "table", rows=7)
    assert (left, len(text.splitlines())) == (93, 9)
    assert shown(capfdbinary, table, "table")[1] == 0


def test_a_table_leaves_out_columns_that_do_not_fit_and_names_them() -> None:
    text = text_table(["first", "second", "third"], [["x" * 10, 1.5, None]], room=20)
    assert text.splitlines()[-1] == "(1 more columns: third)"
    assert "second" in text.splitlines()[0]
    assert max(map(len, text.splitlines()[:-1])) <= 20


def test_numbers_stand_to_the_right() -> None:
    assert text_table(["n", "s"], [[1, "a"], [100, "b"]], room=80).splitlines()[2:] == ["  1  a", "100  b"]


def test_lists_and_things_in_every_form(capfdbinary: Any) -> None:
    rows = [{"a": 1, "b": None}]
    write_records(rows, ["a", "b"], "json")
    assert json.loads(capfdbinary.readouterr().out) == rows
    write_records(rows, ["a", "b"], "csv")
    assert capfdbinary.readouterr().out == b"a,b\n1,\n"
    write_object({"a": 1_000, "of": {"x": 1}}, as_json=True)
    assert json.loads(capfdbinary.readouterr().out) == {"a": 1000, "of": {"x": 1}}
    write_object({"a": 1_000, "long": None}, as_json=False)
    assert capfdbinary.readouterr().out == b"a     1,000\nlong  -\n"


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), max_size=20))
def test_floats_keep_every_bit_in_json(values: list[float]) -> None:
    from barograph.cli.output import encode

    back = json.loads(encode(values))
    assert [math.nan if v is None else v for v in back] == pytest.approx(values, rel=0, abs=0, nan_ok=True)
