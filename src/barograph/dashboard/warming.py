"""What the first viewer would wait for, done beside the server's start: libraries, kernels, the overview."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from barograph.dashboard.troubles import Unavailable

if TYPE_CHECKING:
    from barograph.dashboard.data import Data


def begin_warming(data: Data) -> None:
    """Warm up in a thread that ends with the process."""
    threading.Thread(target=_warm, args=(data,), name="warming", daemon=True).start()


def _warm(data: Data) -> None:
    from barograph.dashboard import overview

    _charts()
    with suppress(Unavailable):  # a viewer is told in words
        overview.glances(data)


def _charts() -> None:
    """Make a chart of one bar: that loads Plotly, Polars and the kernel of the columns that look back."""
    import polars as pl

    from barograph.bars.resample import resample
    from barograph.dashboard.charts.candles import Look, candles
    from barograph.dashboard.theme import LIGHT
    from barograph.tables import ANOMALIES, MARKET_MICROSTRUCTURE

    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    nothing = pl.DataFrame(schema=pl.Schema(MARKET_MICROSTRUCTURE.schema()))
    row = {
        name: epoch if dtype.is_temporal() else "" if dtype == pl.String else 1
        for name, dtype in nothing.schema.items()
    }
    bars = resample(pl.DataFrame([row], schema=nothing.schema), "5m")
    candles(bars, pl.DataFrame(schema=pl.Schema(ANOMALIES.schema())), 300_000_000, Look(LIGHT))
