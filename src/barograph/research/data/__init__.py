"""Where prices come from: one reader a source, one result.

* :func:`load`: bars of a bundled series, a CSV of candles, Parquet, or a data directory.
* :class:`Source`: the bars, their hash, how they are split, and what should be known about them.
"""

from __future__ import annotations

from barograph.research.data.loading import load
from barograph.research.data.source import Source

__all__ = ["Source", "load"]
