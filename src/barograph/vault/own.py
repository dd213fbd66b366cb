"""Users' own tables in the database, which join the backups by the setting ``backup.tables``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast
from zoneinfo import ZoneInfo

from barograph.clock import from_us
from barograph.errors import SettingsError
from barograph.store.store import Reader
from barograph.vault.manifest import OwnTable

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"(?P<table>[^.:]+\.[^.:]+):(?P<column>[^.:]+)")


class Joined(NamedTuple):
    """A table of the setting: ``schema.table``, and the column that tells its rows' time."""

    name: str
    time_column: str


class OwnReader(Protocol):
    """A snapshot that also reads tables that are none of Barograph's."""

    def rows_of(
        self, name: str, time_column: str, since: str | None, until: str | None
    ) -> tuple[OwnTable, Iterable[pa.RecordBatch]]:
        """A table's definition, and its rows with ``since <= time_column < until``, streamed.

        Args:
            since, until: ISO 8601 with an offset; of a column of dates or of times without a zone, what
                the wall clock shows counts. None is no bound.

        Raises:
            SettingsError: there is no such table or column, or it may not be read.
        """
        ...


def joined(texts: Sequence[str]) -> tuple[Joined, ...]:
    """The tables that ``backup.tables`` names.

    >>> joined(["my_schema.holdings:run_date"])
    (Joined(name='my_schema.holdings', time_column='run_date'),)

    Raises:
        SettingsError: one is not of that form, or comes twice.
    """
    found = []
    for text in texts:
        matched = _NAME.fullmatch(text)
        if matched is None:
            raise SettingsError(f'backup.tables: {text!r} is not of the form "schema.table:time_column"')
        found.append(Joined(matched["table"], matched["column"]))
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise SettingsError(f"backup.tables names {twice} twice")
    return tuple(found)


def own_reader(reader: Reader) -> OwnReader:
    """``reader`` as one that reads users' own tables.

    Raises:
        SettingsError: the tables are not in a database.
    """
    if not hasattr(reader, "rows_of"):
        raise SettingsError(
            'backup.tables names tables of a database, but store = "lake"; set store = "postgresql", '
            "or take them out of backup.tables"
        )
    return cast("OwnReader", reader)


def stretch(before_us: int | None, now_us: int, zone: ZoneInfo) -> tuple[str | None, str | None]:
    """The days whose rows go into a backup: from that of the backup before to today, both whole.

    What was written on a day after its backup is thus in the next one; a row that is in two of them
    is the same row. Without a backup before there is no bound.

    >>> day = 86_400_000_000
    >>> stretch(20_000 * day, 20_001 * day, ZoneInfo("Asia/Kolkata"))
    ('2024-10-04T00:00:00+05:30', '2024-10-06T00:00:00+05:30')
    """
    if before_us is None:
        return None, None
    first, last = (from_us(us).astimezone(zone).date() for us in (before_us, now_us))
    since, until = (datetime.combine(day, time(), zone) for day in (first, last + timedelta(days=1)))
    return since.isoformat(), until.isoformat()
