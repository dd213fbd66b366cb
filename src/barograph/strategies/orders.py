"""What an account tells as it goes: fills that were made, and orders that wait for theirs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from barograph.rows import Floats
from barograph.strategies.fills import (
    DECIDED,
    ENTRY_BAR,
    ENTRY_DECIDED,
    ENTRY_FEE,
    ENTRY_PRICE,
    FIELDS,
    QUANTITY,
    REVERSE,
    RUIN,
    STOP_LOSS,
    TAKE_PROFIT,
    TARGET,
    WHY,
)
from barograph.strategies.trading import ENTRY, FILL, REASONS, Reason

Fills = npt.NDArray[np.void]
"""Rows of ``trading.FILL``."""

_SIDE, _REASON, _ENTRY_BAR, _EXIT_BAR, _ENTRY_PRICE, _EXIT_PRICE, _QUANTITY = range(1, 8)
"""Columns of a journal, in the order of TRADE; the first is the slot."""


class Order(NamedTuple):
    """What was decided and waits for its fill.

    Attributes:
        slot: of the account.
        leaves: what is to be bought (or sold, negative) to leave the position that is held; 0 where none is.
        enters: side of the position that is to be taken then: +1, -1; 0 where it only leaves.
        reason: why it leaves; None where it only enters.
        decided: the bar at whose close.
    """

    slot: int
    leaves: float
    enters: int
    reason: Reason | None
    decided: int


def waiting_orders(slots: Floats) -> tuple[Order, ...]:
    """Of the slots (S, SLOT) of an account, those whose target is another side than what is held."""
    found = []
    for s, row in enumerate(slots.tolist()):
        quantity, target = row[QUANTITY], int(row[TARGET])
        if target == (quantity > 0.0) - (quantity < 0.0):
            continue
        reason = None
        if quantity:
            reason = REASONS[REVERSE if target else int(row[WHY])]
        found.append(Order(s, 0.0 - quantity, target, reason, int(row[DECIDED])))
    return tuple(found)


def fills_of(journal: Floats, slots: Floats, first: int) -> Fills:
    """The fills of the bars from ``first`` on, in the order in which they were made.

    Within a bar those are, by slot each time: exits that were ordered, entries, exits at a level, ruin.

    Args:
        journal: (J, WIDTH) trades closed in these bars.
        slots: (S, SLOT) of the account after them.
    """
    opened = np.flatnonzero((slots[:, QUANTITY] != 0.0) & (slots[:, ENTRY_BAR] >= first))
    if not len(journal) and not len(opened):
        return np.zeros(0, FILL)
    exits = _exits(journal)
    entries = [_entries(journal[journal[:, _ENTRY_BAR] >= first]), _held(slots, opened)]
    fills = np.concatenate([exits, *entries])
    return fills[np.lexsort((fills["slot"], _phase(fills["reason"]), fills["bar"]))]


def _phase(reasons: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """When in a bar a fill comes: see ``kernel``."""
    phases = np.zeros(len(reasons), dtype=np.int8)
    phases[reasons == ENTRY] = 1
    phases[(reasons == STOP_LOSS) | (reasons == TAKE_PROFIT)] = 2
    phases[reasons == RUIN] = 3
    return phases


def _exits(journal: Floats) -> Fills:
    fills = np.zeros(len(journal), FILL)
    fills["slot"], fills["reason"], fills["bar"] = journal[:, 0], journal[:, _REASON], journal[:, _EXIT_BAR]
    fills["quantity"] = -journal[:, _SIDE] * journal[:, _QUANTITY]
    fills["price"], fills["fee"] = journal[:, _EXIT_PRICE], journal[:, FIELDS + 1]
    fills["decided"] = journal[:, FIELDS + 3]
    return fills


def _entries(journal: Floats) -> Fills:
    """Entries of trades that are over."""
    fills = np.zeros(len(journal), FILL)
    fills["slot"], fills["reason"], fills["bar"] = journal[:, 0], ENTRY, journal[:, _ENTRY_BAR]
    fills["quantity"] = journal[:, _SIDE] * journal[:, _QUANTITY]
    fills["price"], fills["fee"] = journal[:, _ENTRY_PRICE], journal[:, FIELDS]
    fills["decided"] = journal[:, FIELDS + 2]
    return fills


def _held(slots: Floats, opened: npt.NDArray[np.intp]) -> Fills:
    """Entries of positions that are held."""
    fills, held = np.zeros(len(opened), FILL), slots[opened]
    fills["slot"], fills["reason"], fills["bar"] = opened, ENTRY, held[:, ENTRY_BAR]
    fills["quantity"], fills["price"] = held[:, QUANTITY], held[:, ENTRY_PRICE]
    fills["fee"], fills["decided"] = held[:, ENTRY_FEE], held[:, ENTRY_DECIDED]
    return fills
