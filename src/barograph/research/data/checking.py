"""Which rows can be bars: those that cannot are told and left out, each for its first fault."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from barograph.clock import from_us
from barograph.errors import DataError
from barograph.research.data.source import TRAINING, VALIDATION, Rows
from barograph.rows import Floats, Mask

_PRICES = ("open", "high", "low", "close")


def sound(rows: Rows) -> Rows:
    """The rows that can be bars, by time: prices above 0 and within low and high, or unknown all four.

    Raises:
        DataError: none can, or validation comes before training.
    """
    rows = _in_order(rows)
    left_out = np.zeros(len(rows), dtype=bool)
    remarks = []
    for fault, reason in _faults(rows):
        fresh = np.flatnonzero(fault & ~left_out)
        if len(fresh):
            remarks.append(
                f"{_counted(len(fresh))} left out, {reason}: the first at {moment(rows.ts_us[fresh[0]])}"
            )
        left_out |= fault
    if left_out.all():
        raise DataError(
            f"{rows.name} has no row that can be a bar{''.join(f'; {r}' for r in (*rows.remarks, *remarks))}"
        )
    kept = rows.take(~left_out).with_(*remarks, dropped=int(left_out.sum())) if left_out.any() else rows
    _check_split(kept)
    return kept


def moment(ts_us: int) -> str:
    """A bar's time as people read it.

    >>> moment(1_723_075_500_000_000)
    '2024-08-08 00:05'
    """
    return from_us(int(ts_us)).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00").removesuffix(" 00:00")


def _in_order(rows: Rows) -> Rows:
    back = np.flatnonzero(np.diff(rows.ts_us) < 0)
    if not len(back):
        return rows
    ordered = rows.take(np.argsort(rows.ts_us, kind="stable"))
    return ordered.with_(
        f"rows were not in the order of time, such as row {int(back[0]) + 2}: they were sorted"
    )


def _faults(rows: Rows) -> Iterator[tuple[Mask, str]]:
    # Column by column: of years of seconds a second copy would be felt.
    prices: list[Floats] = [getattr(rows, name) for name in _PRICES]
    unknown = np.logical_and.reduce([np.isnan(column) for column in prices])
    with np.errstate(invalid="ignore"):
        above_zero = np.logical_and.reduce([(column > 0) & np.isfinite(column) for column in prices])
        within = np.logical_and.reduce([(column >= rows.low) & (column <= rows.high) for column in prices])
        yield ~above_zero & ~unknown, "a price that is missing, not above 0 or not finite"
        yield ~within & above_zero, "a price outside low and high"
        yield (rows.volume < 0) | np.isinf(rows.volume), "a volume below 0 or not finite"
        if rows.exec_price is not None:
            yield (
                (rows.exec_price <= 0) | np.isinf(rows.exec_price),
                "an exec_price not above 0 or not finite",
            )
    yield np.diff(rows.ts_us, prepend=rows.ts_us[:1] - 1) == 0, "the time of the row before"


def _counted(n: int) -> str:
    return f"{n:,} row{'s' if n > 1 else ''}"


def _check_split(rows: Rows) -> None:
    if rows.split is None:
        return
    back = np.flatnonzero(np.diff(rows.split) < 0)
    if len(back):
        raise DataError(
            f"{rows.name}: column split says train at {moment(rows.ts_us[back[0] + 1])}, after validation; "
            "validation must come after all of training, or the past would be judged by the future"
        )
    if len({TRAINING, VALIDATION}.difference(rows.split.tolist())):
        only = "train" if rows.split[0] == TRAINING else "validation"
        raise DataError(
            f"{rows.name}: column split says {only} everywhere; it must name both, or be left out"
        )
