"""The kernel's memory as a value: to be packed, kept, and gone on from."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from barograph.bars.aggregate import VALUES
from barograph.bars.pools import (
    INSTRUMENT_COLUMNS,
    META,
    MINUTE_COLUMNS,
    MINUTE_FREE,
    NEXT,
    NONE,
    ROW_FREE,
    Pools,
)
from barograph.bars.settings import KERNEL_VERSION, BarSettings
from barograph.bars.watermark import STREAM_COLUMNS
from barograph.errors import DataError, SettingsError
from barograph.rows import Floats, Ints


class BarState(msgspec.Struct):
    """Everything that the kernel remembers between runs.

    Attributes:
        version: the KERNEL_VERSION that made it.
        rules: the settings that shaped it, :attr:`BarSettings.rules`.
        next_pos: the tape position after the last record taken in.
        as_of_us: receipt time of that record.
        revisions: by instrument, see :mod:`barograph.bars.revisions`.

    The arrays are those of :class:`~barograph.bars.pools.Pools`.
    """

    rules: tuple[int, ...]
    meta: Ints
    instruments: Ints
    minutes: Ints
    values: Floats
    rows: Ints
    amounts: Floats
    streams: Ints
    lanes: Ints
    carried: npt.NDArray[np.uint8]
    version: int = KERNEL_VERSION
    next_pos: int = 0
    as_of_us: int = 0
    revisions: dict[int, Ints] = msgspec.field(default_factory=dict)

    @property
    def pools(self) -> Pools:
        """The arrays, not copied."""
        return Pools(*(getattr(self, name) for name in Pools._fields))


def new_state(settings: BarSettings) -> BarState:
    """Before the first record."""
    meta = np.zeros(META, dtype=np.int64)
    meta[[MINUTE_FREE, ROW_FREE]] = NONE
    return BarState(
        settings.rules,
        meta=meta,
        instruments=np.empty((0, INSTRUMENT_COLUMNS), dtype=np.int64),
        minutes=np.empty((0, MINUTE_COLUMNS), dtype=np.int64),
        values=np.empty((0, VALUES)),
        rows=np.empty((0, NEXT + 1), dtype=np.int64),
        amounts=np.empty((0, 2)),
        streams=np.empty((0, STREAM_COLUMNS), dtype=np.int64),
        lanes=np.empty(0, dtype=np.int64),
        carried=np.empty((0, 0), dtype=np.uint8),
    )


def check_state(state: BarState, settings: BarSettings) -> None:
    """Refuse a state that cannot be gone on from.

    Raises:
        DataError: another kernel version made it.
        SettingsError: settings that shape the bars are not those it was made with.
    """
    if state.version != KERNEL_VERSION:
        raise DataError(
            f"the checkpoint's bars are of kernel version {state.version}, this is {KERNEL_VERSION}; "
            "rebuild the tables from the tape"
        )
    if tuple(state.rules) != settings.rules:
        raise SettingsError(
            f"the checkpoint's bars were made with {tuple(state.rules)}, the settings say {settings.rules}; "
            "restore the settings or rebuild the tables from the tape"
        )
