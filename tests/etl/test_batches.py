"""Batch ids: a day, a day's symbol, days."""

from __future__ import annotations

from datetime import date

import pytest

from barograph.errors import UsageError
from barograph.etl.batches import Batch, Days, parse_batch, span, wanted

DAY = date(2024, 8, 8)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2024-08-08", Days(DAY, DAY)),
        ("2024-08-08/NSE:INFY", Days(DAY, DAY, "NSE:INFY")),
        ("2024-08-08/A/B", Days(DAY, DAY, "A/B")),
        ("2024-08-08..2024-08-10", Days(DAY, date(2024, 8, 10))),
        ("2024-08-08..2024-08-10/BTC-USD", Days(DAY, date(2024, 8, 10), "BTC-USD")),
    ],
)
def test_given_an_id_it_is_read(text: str, found: Days) -> None:
    assert parse_batch(text) == found


@pytest.mark.parametrize("text", ["", "yesterday", "2024-08-08/", "2024-08-10..2024-08-08", "2024-13-01"])
def test_given_what_is_no_id_it_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a batch"):
        parse_batch(text)


def test_given_ids_and_symbols_the_known_batches_are_chosen_in_order() -> None:
    known = [Batch(date(2024, 8, day), symbol) for day in (9, 8, 7) for symbol in ("B", "A")]
    assert [batch.id for batch in wanted(known, [Days(DAY, DAY)], None)] == ["2024-08-08/A", "2024-08-08/B"]
    assert [batch.id for batch in wanted(known, [Days(DAY, DAY, "B"), Days(DAY, DAY)], {"B"})] == [
        "2024-08-08/B"
    ]
    assert len(wanted(known, [], None)) == 6
    assert wanted(known, [], {"C"}) == []


def test_the_span_covers_all_days() -> None:
    first, last = Batch(DAY, "A"), Batch(date(2024, 8, 10), "A")
    assert span([Days(last.day, last.day), Days(DAY, DAY)]) == (first.start_us, last.end_us)
    assert span([]) == (None, None)


def test_given_any_symbol_its_file_is_one_name_on_every_system() -> None:
    name = Batch(DAY, "a/b\\c:d..").file_in("ticks", "parquet")
    assert name == "ticks/date=2024-08-08/a%2Fb%5Cc%3Ad...parquet"
