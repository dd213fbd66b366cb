"""Absorb and scan many rows, and tell how much memory that took (``python -m ... URL``).

Prints by how many kB the process was larger, at its largest, than after the first few rows.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from barograph.store import Scan
from barograph.store.postgres import Address, PostgresStore

from ..making import DAY_0, rows, tick

AT_ONCE = 10_000
ONE = rows("ticks", tick(DAY_0, 0))


def batches(count: int) -> Iterator[pa.RecordBatch]:
    """Ticks of one symbol, each with a position of its own."""
    block = ONE.take(pa.array(np.zeros(AT_ONCE, dtype=np.int64)))
    place = block.schema.get_field_index("tape_pos")
    for start in range(0, count, AT_ONCE):
        numbers = pa.array(np.arange(start, start + AT_ONCE))
        moments = pa.array(np.arange(DAY_0 + start, DAY_0 + start + AT_ONCE)).cast(
            block.schema.field("ts").type
        )
        made = block.set_column(place, block.schema.field(place), numbers)
        yield from made.set_column(0, block.schema.field(0), moments).combine_chunks().to_batches()


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(url: str) -> None:
    store = PostgresStore(Address.of_url(url))
    store.absorb("ticks", batches(150_000))
    before = peak_kb()
    store.absorb("ticks", batches(800_000))
    assert sum(batch.num_rows for batch in store.scan(Scan("ticks"))) == 800_000
    store.close()
    sys.stdout.write(f"{peak_kb() - before}\n")


if __name__ == "__main__":
    main(sys.argv[1])
