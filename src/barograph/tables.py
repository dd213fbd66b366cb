"""Every table: its columns, key, time column and sort order, defined once.

The Parquet lake, PostgreSQL and the documents are made from these definitions. Times
are ``timestamp[us, UTC]``, prices and sizes float64. See ``docs/tables.md`` for the
meaning and the formula of each column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised whenever a column is added, dropped or changes its type."""


class Flag:
    """Cleaning bits of ``ticks.flags`` and ``quotes.flags``: a row keeps them, it is never dropped."""

    NONPOSITIVE = 1
    """A price, or a trade's size, that is not above zero, or a quote's size below it: kept out of bars."""
    OUTLIER = 2
    """A price far from the recent median (``bars.outlier_pct``)."""
    CROSSED = 4
    """A quote whose bid is above its ask: kept out of bars."""
    FUTURE = 8
    """Stamped beyond receipt time plus ``bars.max_ahead_s``: not allowed to move time on."""
    LATE = 16
    """Came after its minute had been closed: the bar was revised."""
    REPAIRED = 32
    """Came by a refill over REST, not by the wire."""
    DUPLICATE = 64
    """In derived tables only (docs/etl.md): its whole key has come before."""
    RANGE = 128
    """In derived tables only: open, close, low and high contradict each other."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: Arrow type by name (see :func:`arrow_type`), whether null may stand in it."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        key: columns that name a row; two rows with equal keys are versions of one row.
        time: the event-time column; its UTC day is the partition.
        sort: the order of rows in a sealed file.
        version: columns that order the versions of a row, most significant first: the newest wins.
        withdrawn: column in which null means that the row has been taken back.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str
    sort: tuple[str, ...]
    version: tuple[str, ...] = ()
    withdrawn: str = ""

    def __hash__(self) -> int:
        """Of the name: tables are looked up often, and all columns take long to hash."""
        return hash(self.name)

    @property
    def versioned(self) -> bool:
        """Whether later versions of a row replace earlier ones; else rows are only added."""
        return bool(self.version)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names in order."""
        return tuple(column.name for column in self.columns)

    def schema(self) -> pa.Schema:
        """The table's Arrow schema."""
        return _schema(self)


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type that a column's type name stands for."""
    import pyarrow as pa

    if name == "time":
        return pa.timestamp("us", tz="UTC")
    return pa.type_for_alias(name)


@cache
def _schema(table: Table) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field(c.name, arrow_type(c.type), c.nullable) for c in table.columns])


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from lines of ``name type``; a trailing ``?`` on the type allows null."""
    columns = []
    for line in text.split("\n"):
        words = line.split()
        if words:
            columns.append(Column(words[0], words[1].rstrip("?"), words[1].endswith("?")))
    return tuple(columns)


TICKS = Table(
    "ticks",
    _columns("""
        ts time
        recv_ts time
        venue string
        symbol string
        price double
        size double
        side int8
        trade_id int64?
        seq int64?
        flags int16
        tape_pos int64
    """),
    key=("venue", "symbol", "trade_id", "tape_pos"),
    time="ts",
    sort=("symbol", "venue", "ts", "seq", "tape_pos"),
)

QUOTES = Table(
    "quotes",
    _columns("""
        ts time
        recv_ts time
        ts_estimated bool
        venue string
        symbol string
        bid_price double
        bid_size double?
        ask_price double
        ask_size double?
        seq int64?
        flags int16
        tape_pos int64
    """),
    key=("venue", "symbol", "seq", "tape_pos"),
    time="ts",
    sort=("symbol", "venue", "ts", "seq", "tape_pos"),
)

MARKET_MICROSTRUCTURE = Table(
    "market_microstructure",
    _columns("""
        timestamp time
        symbol string
        venue string
        open double?
        high double?
        low double?
        price double?
        exec_price double?
        volume double
        notional double
        vwap double?
        trade_count int64
        buy_volume double
        sell_volume double
        bid_price double?
        ask_price double?
        bid_ask_spread double?
        order_imbalance double?
        volatility_1min double?
        volume_spike_score double?
        price_change_pct double?
        rsi_14 double?
        revision int32
        kernel_version int32
        as_of time
        tape_pos int64
    """),
    key=("timestamp", "symbol", "venue"),
    time="timestamp",
    sort=("symbol", "venue", "timestamp"),
    version=("kernel_version", "revision", "tape_pos"),
)

ANOMALIES = Table(
    "anomalies",
    _columns("""
        ts time
        venue string
        symbol string
        kind string
        score double?
        threshold double
        model_version string
        detail string
        revision int32
        tape_pos int64
    """),
    key=("venue", "symbol", "kind", "ts"),
    time="ts",
    sort=("symbol", "venue", "ts", "kind"),
    version=("revision", "tape_pos"),
    withdrawn="score",
)

REJECTS = Table(
    "rejects",
    _columns("""
        recv_ts time
        venue string
        reason string
        excerpt string
        tape_pos int64
    """),
    key=("tape_pos", "reason", "excerpt"),
    time="recv_ts",
    sort=("recv_ts", "tape_pos"),
)

CANDLES = Table(
    "candles",
    _columns("""
        timestamp time
        venue string
        symbol string
        interval_s int32
        open double
        high double
        low double
        price double
        volume double?
        recv_ts time
        tape_pos int64
    """),
    key=("timestamp", "venue", "symbol", "interval_s"),
    time="timestamp",
    sort=("symbol", "venue", "interval_s", "timestamp"),
    version=("tape_pos",),
)

COVERAGE = Table(
    "coverage",
    _columns("""
        minute time
        venue string
        symbol string
        channel string
        state string
        messages int64
        reason string?
        updated_at time
        revision int32
        tape_pos int64
    """),
    key=("minute", "venue", "symbol", "channel"),
    time="minute",
    sort=("symbol", "venue", "channel", "minute"),
    version=("revision", "tape_pos"),
)

TRIALS = Table(
    "trials",
    _columns("""
        trial_id string
        strategy_id string
        source string
        symbol string
        interval string
        range_start time
        range_end time
        data_hash string
        strategy string
        split string
        started_at time
        metrics string
        sharpe_per_bar double?
    """),
    key=("trial_id",),
    time="started_at",
    sort=("source", "symbol", "interval", "range_start", "strategy_id"),
)
"""Every backtest ever run. No table of the lake: no tape stands behind it, see ``research.trials``."""

POSITIONS = Table(
    "positions",
    _columns("""
        strategy string
        venue string
        symbol string
        quantity double
        entry_price double
        entry_ts time
        entry_fee double
        entry_id string
        bar_version int64?
        last_price double?
        version int64
        tape_pos int64
    """),
    key=("strategy", "venue", "symbol", "entry_id"),
    time="entry_ts",
    sort=("strategy", "venue", "symbol", "entry_ts", "entry_id"),
)
"""What is open in the ledger of paper trading."""

COMPLETED_TRADES = Table(
    "completed_trades",
    _columns("""
        trade_key string
        strategy string
        venue string
        symbol string
        quantity double
        entry_ts time
        entry_price double
        exit_ts time
        exit_price double
        fees double
        profit double
        profit_pct double
        reason string
        entry_id string
        exit_id string
        bar_version int64?
        exit_bar_version int64?
    """),
    key=("trade_key",),
    time="exit_ts",
    sort=("strategy", "venue", "symbol", "exit_ts", "trade_key"),
)
"""What paper trading has earned and lost."""

TRADED: dict[str, Table] = {table.name: table for table in (POSITIONS, COMPLETED_TRADES)}
"""Tables of paper trading: the ledger is behind them, not the tape's committer."""

TABLES: dict[str, Table] = {
    table.name: table
    for table in (TICKS, QUOTES, MARKET_MICROSTRUCTURE, ANOMALIES, REJECTS, CANDLES, COVERAGE)
}
"""Every table of the lake by name."""
