"""Arrow's tables as DataFrames of Polars, which is loaded when the first is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def frame_of(rows: pa.Table) -> pl.DataFrame:
    """The same rows and columns; nothing is copied that need not be."""
    import polars as pl

    made = pl.from_arrow(rows)
    assert isinstance(made, pl.DataFrame)
    return made
