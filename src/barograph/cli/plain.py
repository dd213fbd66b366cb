"""Arrow columns as plain values that JSON and CSV can say: times as ISO-8601 text in UTC."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

_ISO = "%Y-%m-%dT%H:%M:%S"


def unique_names(names: Iterable[str]) -> list[str]:
    """``names`` with repeats told apart, as SQL allows two columns of one name.

    >>> unique_names(["n", "n", "m"])
    ['n', 'n_2', 'm']
    """
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique


def plain_column(column: pa.Array) -> pa.Array:
    """``column`` with times as ``2024-08-08T00:00:00.000000Z`` and decimals as numbers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return plain_column(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        # Microseconds without a zone: Arrow then needs no time zone database to format them.
        moment = column.cast(pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.timestamp("us"))
        return pc.strftime(moment, format=_ISO + ("Z" if kind.tz else ""))
    if pa.types.is_decimal(kind):
        # SQL sums whole numbers into 128 bits; those that fit stay whole.
        return column.cast(pa.int64() if kind.scale == 0 else pa.float64(), safe=False)
    return column


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` with plain columns and unique names."""
    columns = [plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=unique_names(batch.schema.names))
