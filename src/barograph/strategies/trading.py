"""The words of trading that research and paper trading share: costs, trades, tallies."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What trading costs, and with what it begins.

    Attributes:
        fee_bps: of the notional, per side, in basis points; taken from cash at the fill.
        slippage_bps: buys fill this much above, sells below the price; a cost, so it may lie outside the bar.
        spread: fills also pay half of the last bid-ask spread known before them, on top of ``slippage_bps``;
            the bars must have it (``Prices.spread``).
        cash: at the beginning.
        lot: sizes are whole multiples of it, rounded down; 0: any fraction.
    """

    fee_bps: float = 10.0
    slippage_bps: float = 0.0
    spread: bool = False
    cash: float = 10_000.0
    lot: float = 0.0


Reason = Literal["signal", "stop_loss", "take_profit", "reverse", "open", "ruin", "time", "limit", "flatten"]
REASONS: tuple[Reason, ...] = (
    "signal",
    "stop_loss",
    "take_profit",
    "reverse",
    "open",
    "ruin",
    "time",
    "limit",
    "flatten",
)
"""Why a trade ended; a trade's ``reason`` is an index of it.

``open``: it had not, at the end. ``ruin``: at a close nothing was left of the equity (a short can do that);
it was closed there, without costs, and the debt forgiven: an account loses what it has, and no more.
``time``: it was held for as long as allowed. ``limit``: the account's own bounds. ``flatten``: a person said
so.
"""

TRADE = np.dtype(
    [
        ("symbol", np.int32),
        ("side", np.int8),
        ("reason", np.int8),
        ("entry_bar", np.int64),
        ("exit_bar", np.int64),
        ("entry_price", np.float64),
        ("exit_price", np.float64),
        ("quantity", np.float64),
        ("fees", np.float64),
        ("profit", np.float64),
        ("lowest", np.float64),
        ("highest", np.float64),
    ]
)
"""A trade from entry to exit.

``side`` +1 long, -1 short; bars are counted from the first that the kernel saw; prices with slippage;
``fees`` of both fills; ``profit`` after fees; lowest low and highest high while held (for MAE and MFE),
entry bar and exit bar included.
Of an ``open`` trade the exit price is the last close and the exit's fee is not charged.
"""

ENTRY = -1
"""The ``reason`` of a fill that takes a position."""

FILL = np.dtype(
    [
        ("slot", np.int32),
        ("reason", np.int8),
        ("bar", np.int64),
        ("decided", np.int64),
        ("quantity", np.float64),
        ("price", np.float64),
        ("fee", np.float64),
    ]
)
"""One fill: half of a trade.

``slot`` is the place in the account, as ``symbol`` of a trade; ``reason`` :data:`ENTRY`, or why the position
ended, as of a trade; ``bar`` is when it was filled, ``decided`` at whose close it was decided: -1 for a stop,
a target and ruin, which no close decides. ``quantity`` is bought, or sold where negative; ``price`` with
slippage. The fees of a position's two fills add up to its trade's, to the bit.
"""
