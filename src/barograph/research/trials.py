"""The trial ledger: every strategy ever tried, so that luck is judged by the true number of tries.

One Parquet file a run, named by what it holds: the data, its range, and a digest of all results. Writing
it again changes nothing, no run can tear another's file, several processes need no lock, and the names alone
say which files speak of a range, so that counting opens no other. Nothing is ever rewritten or taken out.

Two tries are one when the strategy is the same and their ranges of the same source, symbol and interval
overlap: a new day of data does not wash the slate clean, whatever its hash; nor does a new name for data that
is the same to the bit. Costs are no part of it: the same strategy at another fee is not another idea.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import numpy as np

from barograph.clock import from_us
from barograph.disk import sync_directory
from barograph.errors import StoreCorrupt
from barograph.rows import Floats
from barograph.strategies.strategy import Strategy
from barograph.tables import TRIALS

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

FOLDER = "trials"
"""Of the ledger below the data directory."""

METRICS = ("win_rate", "total_return", "sharpe_ratio", "max_drawdown", "num_trades")
"""What a trial's ``metrics`` hold."""

_ENCODER = msgspec.json.Encoder(order="deterministic")


class Span(NamedTuple):
    """What was tried on.

    Attributes:
        start_us, end_us: start of the first bar, and end of the last.
        data_hash: of the bars' columns.
    """

    source: str
    symbol: str
    interval: str
    start_us: int
    end_us: int
    data_hash: str

    @property
    def series(self) -> str:
        """A digest that names source, symbol and interval."""
        return _digest([self.source, self.symbol, self.interval], 12)


class Tried(NamedTuple):
    """The results of strategies over a span.

    Attributes:
        strategies: (N,) the family ``python`` tells its code's digest, so an edited function is another try.
        split: which part of a study it was: ``train`` or ``whole``.
        metrics: name -> (N,).
        sharpe_per_bar: (N,) NaN where undefined.
    """

    strategies: Sequence[Strategy]
    split: str
    metrics: Mapping[str, Floats]
    sharpe_per_bar: Floats


class Counted(NamedTuple):
    """Tries on ranges of one series that overlap, directly or through others.

    Attributes:
        tries: distinct strategies; backtests: rows; runs: files.
        sharpe_best, sharpe_variance: of the tries' Sharpe ratios per bar, each over its longest range.
    """

    source: str
    symbol: str
    interval: str
    tries: int
    backtests: int
    runs: int
    range_start_us: int
    range_end_us: int
    sharpe_best: float
    sharpe_variance: float

    def plain(self) -> dict[str, Any]:
        """By name, with times as ISO-8601 text."""
        fields = self._asdict()
        for name in ("range_start", "range_end"):
            fields[name] = f"{from_us(fields.pop(name + '_us')):%Y-%m-%dT%H:%M:%SZ}"
        return fields


class _Name(NamedTuple):
    """A file's name, taken apart."""

    path: Path
    series: str
    start_us: int
    end_us: int
    data: str

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """None when the file is none of the ledger's."""
        parts = path.stem.split("_")
        if path.suffix != ".parquet" or len(parts) != 5 or not (parts[1] + parts[2]).isdigit():
            return None
        return cls(path, parts[0], int(parts[1]), int(parts[2]), parts[3])

    def speaks_of(self, span: Span) -> bool:
        if self.data == span.data_hash[:12]:
            return True
        return self.series == span.series and self.start_us < span.end_us and span.start_us < self.end_us


class Ledger:
    """The ledger in a folder, which is made at the first recording.

    Args:
        folder: such as ``data/trials``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record(self, span: Span, tried: Tried, now_us: int) -> Path:
        """Put a run's tries in, durably; returns its file, which may have been there.

        Raises:
            StorageFull, StorageError: the disk said no; nothing was recorded.
        """
        from barograph.store.durable import publish, stage, storage_errors, temporary

        table, digest = _table(span, tried, now_us)
        name = "_".join(
            [span.series, str(span.start_us), str(span.end_us), span.data_hash[:12], digest + ".parquet"]
        )
        target = self.folder / name
        if not target.exists():
            staged = temporary(self.folder, name)
            with storage_errors("recording trials in", self.folder):
                stage(staged, memoryview(_parquet(table)))
                publish(staged, target)
                sync_directory(self.folder)
        return target

    def ids(self, span: Span) -> set[str]:
        """The distinct strategies that were tried on this span, or on data that overlaps it.

        Raises:
            StoreCorrupt: a file of the ledger cannot be read.
        """
        import pyarrow.compute as pc

        found: set[str] = set()
        for name in self._names():
            if name.speaks_of(span):
                column = _read(name.path, ["strategy_id"])["strategy_id"]
                found.update(pc.unique(column).to_pylist())
        return found

    def tries(self, span: Span, own: Collection[str]) -> int:
        """How many distinct strategies there are with one's ``own`` among them, recorded already or not."""
        return len(self.ids(span) | set(own))

    def counts(self) -> list[Counted]:
        """What was tried on what, most tries first."""
        series: dict[str, list[_Name]] = {}
        for name in self._names():
            series.setdefault(name.series, []).append(name)
        counted = [_counted(group) for names in series.values() for group in _overlapping(names)]
        return sorted(counted, key=lambda one: (-one.tries, one.source, one.symbol, one.range_start_us))

    def rows(self) -> Iterator[pa.Table]:
        """Every trial, a run at a time, in the order of the files' names."""
        for name in self._names():
            yield _read(name.path, None)

    def _names(self) -> list[_Name]:
        try:
            files = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        return [name for path in files if (name := _Name.of(path)) is not None]


def _digest(value: Any, digits: int) -> str:
    return hashlib.sha256(_ENCODER.encode(value)).hexdigest()[:digits]


def _table(span: Span, tried: Tried, now_us: int) -> tuple[pa.Table, str]:
    """A run's rows, and the digest that names them."""
    import pyarrow as pa

    chosen = {name: tried.metrics[name].tolist() for name in METRICS if name in tried.metrics}
    rows = list(zip(*chosen.values(), strict=True)) or [()] * len(tried.strategies)
    metrics = [_ENCODER.encode(dict(zip(chosen, row, strict=True))).decode() for row in rows]
    sharpe = [None if np.isnan(value) else value for value in tried.sharpe_per_bar.tolist()]
    texts = [strategy.json for strategy in tried.strategies]
    ids = [hashlib.sha256(text).hexdigest()[:12] for text in texts]  # Strategy.id, without a second encoding
    digest = _digest([span, tried.split, ids, metrics, sharpe], 16)
    same: dict[str, Any] = {
        "source": span.source,
        "symbol": span.symbol,
        "interval": span.interval,
        "range_start": span.start_us,
        "range_end": span.end_us,
        "data_hash": span.data_hash,
        "split": tried.split,
        "started_at": now_us,
    }
    columns: dict[str, Any] = {
        "trial_id": [f"{digest}-{index}" for index in range(len(ids))],
        "strategy_id": ids,
        "strategy": [text.decode() for text in texts],
        "metrics": metrics,
        "sharpe_per_bar": sharpe,
    }
    columns |= {name: [value] * len(ids) for name, value in same.items()}
    schema = TRIALS.schema()
    return pa.table({name: columns[name] for name in schema.names}, schema=schema), digest


def _parquet(table: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    own = ["trial_id", "strategy_id", "strategy", "metrics", "sharpe_per_bar"]
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=[name for name in table.schema.names if name not in own],
    )
    return bytes(sink.getvalue())


def _read(path: Path, columns: list[str] | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise StoreCorrupt(
            f"the trial ledger's file {path} cannot be read: {error}; put it back from a copy, "
            "or move it away and count its tries by hand"
        ) from error


def _overlapping(names: list[_Name]) -> Iterator[list[_Name]]:
    """Groups of files whose ranges hang together."""
    group: list[_Name] = []
    end = 0
    for name in sorted(names, key=lambda one: (one.start_us, one.end_us)):
        if group and name.start_us >= end:
            yield group
            group = []
        end = max(end, name.end_us) if group else name.end_us
        group.append(name)
    if group:
        yield group


def _counted(names: list[_Name]) -> Counted:
    import polars as pl
    import pyarrow as pa

    columns = ["source", "symbol", "interval", "strategy_id", "range_start", "range_end", "sharpe_per_bar"]
    rows = pl.from_arrow(pa.concat_tables(_read(name.path, columns) for name in names))
    assert isinstance(rows, pl.DataFrame)
    longest = _longest(rows)
    sharpe = longest["sharpe_per_bar"].drop_nulls().to_numpy()
    return Counted(
        source=rows["source"][0],
        symbol=rows["symbol"][0],
        interval=rows["interval"][0],
        tries=len(longest),
        backtests=len(rows),
        runs=len(names),
        range_start_us=min(name.start_us for name in names),
        range_end_us=max(name.end_us for name in names),
        sharpe_best=float(sharpe.max()) if len(sharpe) else np.nan,
        sharpe_variance=float(sharpe.var(ddof=1)) if len(sharpe) > 1 else np.nan,
    )


def _longest(rows: pl.DataFrame) -> pl.DataFrame:
    """Each strategy once, over the longest range that it was tried on."""
    import polars as pl

    length = (pl.col("range_end") - pl.col("range_start")).alias("length")
    ordered = rows.with_columns(length).sort(["strategy_id", "length"], descending=[False, True])
    return ordered.unique("strategy_id", keep="first", maintain_order=True)
