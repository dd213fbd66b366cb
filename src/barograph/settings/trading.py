"""What paper trading does: ``trade``, and ``trade.dip`` in it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from barograph.settings.section import Section


class DipSection(Section):
    """The dip strategy on trades, `barograph trade --strategy dip`."""

    drop_pct: float = Field(
        default=2.0, gt=0, lt=100, description="Buy when the price is this much below its high of..."
    )
    lookback_s: float = Field(default=60.0, gt=0, description="...the last so many seconds.")
    profit_pct: float = Field(default=5.0, gt=0, description="Sell at so much above the entry.")
    stop_pct: float | None = Field(
        default=None, gt=0, lt=100, description="Sell at so much below the entry; never when absent."
    )
    hold_s: float | None = Field(
        default=None, gt=0, description="Sell what has been held for so long; never when absent."
    )


class TradeSection(Section):
    """Paper trading, `barograph trade`."""

    strategies: tuple[str, ...] = Field(
        default=(), description='What is traded when no flag says otherwise: "dip", files of strategies.'
    )
    symbols: tuple[str, ...] = Field(default=(), description="Symbols to trade; all when empty.")
    venues: tuple[str, ...] = Field(default=(), description="Venues to trade on; all when empty.")
    cash: float = Field(default=10_000.0, gt=0, description="Of each account, to begin with.")
    share: Literal["each", "all"] = Field(
        default="each",
        description='"each" strategy and symbol has an account of its own, or "all" share one '
        "(one for tick and one for bar strategies).",
    )
    sizing: Literal["fraction", "cash", "volatility"] = Field(
        default="fraction", description="What size means: of the equity, money, or a volatility a year."
    )
    size: float = Field(default=1.0, gt=0, description="What an entry commits, see sizing.")
    fee_bps: float = Field(default=10.0, ge=0, lt=10_000, description="Fee of a side, in basis points.")
    slippage_bps: float = Field(
        default=0.0, ge=0, lt=10_000, description="Fills are so much worse than the price, in basis points."
    )
    spread: bool = Field(default=False, description="Fills also pay half of the spread.")
    max_exposure: float | None = Field(
        default=None, gt=0, le=1, description="Positions over equity that an account may have."
    )
    orders_per_minute: int | None = Field(
        default=None, ge=1, description="Orders a minute at which tick strategies enter no more."
    )
    orders_per_hour: int | None = Field(
        default=None, ge=1, description="Entries an hour that an account of bar strategies may make."
    )
    daily_loss_pct: float | None = Field(
        default=None, gt=0, le=100, description="Loss of a UTC day at which an account enters no more."
    )
    flatten_on_loss: bool = Field(default=False, description="Then bar strategies also leave what they hold.")
    longest_bars: int | None = Field(
        default=None, ge=1, description="Bar strategies leave what they have held for so many minutes."
    )
    minutes_per_year: float = Field(
        default=525_960.0, gt=0, description="Minutes that the market is open in a year, for volatility."
    )
    dip: DipSection = DipSection()
