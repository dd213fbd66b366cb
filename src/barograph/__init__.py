"""Barograph records markets day and night and turns them into features you can trust.

>>> import barograph as bg
>>> market = bg.connect("data")                        # doctest: +SKIP
>>> market.bars("BTC-USDT", every="5m").to_pandas()    # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.market import Market, connect

__all__ = ["Market", "__version__", "connect"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Polars and DuckDB take half a second to load: only those who ask pay for them.
    if name in ("Market", "connect"):
        from barograph import market

        return getattr(market, name)
    raise AttributeError(f"module 'barograph' has no attribute {name!r}")
