"""A price that walks in ticks, and its texts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from barograph.errors import UsageError
from barograph.simulator.instruments import INSTRUMENTS

_OTHERS, _SHARES = (100.0, 2, 3), (100.0, 2, 0)
"""Price, decimals of prices and of sizes where the simulator knows no such pair, or share."""
_TEXTS_KEPT = 65_536


@dataclass(slots=True)
class Walk:
    """One symbol's price, in units of its last decimal place."""

    ticks: int
    decimals: int
    size_decimals: int
    texts: dict[int, str]
    sizes: dict[int, str]

    def step(self, ticks: int) -> None:
        """Move by ``ticks``; never below two."""
        self.ticks = max(2, self.ticks + ticks)

    def move_to(self, price: str) -> None:
        """Go on from ``price``.

        Raises:
            UsageError: it is not a number.
        """
        try:
            self.ticks = max(2, int(Decimal(price).scaleb(self.decimals)))
        except (InvalidOperation, ValueError, OverflowError) as error:
            raise UsageError(f"{price!r} is not a price; give a decimal number such as 61800.10") from error

    def price(self, away: int = 0) -> str:
        """The price's text, ``away`` ticks from it."""
        ticks = self.ticks + away
        text = self.texts.get(ticks)
        if text is None:
            if len(self.texts) >= _TEXTS_KEPT:
                self.texts.clear()
            text = self.texts[ticks] = _text(ticks, self.decimals)
        return text

    def size(self, lots: int) -> str:
        """The text of ``lots`` units of the last decimal place of sizes."""
        text = self.sizes.get(lots)
        if text is None:
            text = self.sizes[lots] = _text(lots, self.size_decimals)
        return text


def walk_of(symbol: str) -> Walk:
    """Where ``symbol`` begins: at the simulator's price of its base, at 100.00 where it has none."""
    known = INSTRUMENTS.get(symbol) or INSTRUMENTS.get(f"{symbol.split('-', maxsplit=1)[0]}-USD")
    unknown = _OTHERS if "-" in symbol else _SHARES
    price, decimals, sizes = (known.price, known.decimals, known.size_decimals) if known else unknown
    return Walk(round(price * 10**decimals), decimals, sizes, {}, {})


def _text(units: int, decimals: int) -> str:
    if not decimals:
        return str(units)
    whole, rest = divmod(units, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"
