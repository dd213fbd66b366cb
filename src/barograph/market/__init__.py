"""What has been recorded, as DataFrames: the read-only face of a data directory.

>>> import barograph as bg
>>> market = bg.connect("data")                        # doctest: +SKIP
>>> market.bars("BTC-USDT", every="5m")                # doctest: +SKIP
>>> market.sql("SELECT * FROM last_prices")            # doctest: +SKIP

Public names: :func:`connect`, :class:`Market`. See docs/querying.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from barograph.market.market import Market, connect

__all__ = ["Market", "connect"]


def __getattr__(name: str) -> Any:
    # They bring PyArrow with them: `import barograph` must not wait for it.
    if name in __all__:
        from barograph.market import market

        return getattr(market, name)
    raise AttributeError(f"module 'barograph.market' has no attribute {name!r}")
