"""Cleaning and resampling whole days, in parallel, again and again with the same result.

>>> from barograph.etl import process_batch
>>> process_batch("2024-08-08/BTC-USD", data_dir="data", every=("5m",))      # doctest: +SKIP

See docs/etl.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.etl.cleaning import Cleaning
    from barograph.etl.processing import Outcome, process_batch

__all__ = ["Cleaning", "Outcome", "process_batch"]


def __getattr__(name: str) -> Any:
    if name == "Cleaning":
        from barograph.etl.cleaning import Cleaning

        return Cleaning
    if name in __all__:
        from barograph.etl import processing

        return getattr(processing, name)
    raise AttributeError(f"module 'barograph.etl' has no attribute {name!r}")
