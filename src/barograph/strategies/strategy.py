"""A strategy as a small value: it can be printed, hashed, stored, and counted as one try."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

Side = Literal["long", "short", "both"]
Value = int | float | str

_LONG: Side = "long"
_ALL_IN = 1.0


class VolatilityFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enter only while the market is calm, or only while it moves.

    Compared is the standard deviation (ddof 1) of the last ``window`` log returns of the close, per bar.
    """

    window: int
    below: float | None = None
    above: float | None = None


class Strategy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A family and its parameters, and how it is traded.

    Attributes:
        family: name of a file in ``families``.
        params: the family's parameters.
        side: which positions it may hold.
        stop_loss: leave when the price is this fraction against the entry fill (0.05 = 5 %).
        take_profit: leave when it is this fraction in favour of it.
        size: part of the equity that an entry commits, at the moment of its fill.
        volatility_filter: when entries are allowed.
    """

    family: str
    params: dict[str, Value] = {}
    side: Side = _LONG
    stop_loss: float | None = None
    take_profit: float | None = None
    size: float = _ALL_IN
    volatility_filter: VolatilityFilter | None = None

    def __post_init__(self) -> None:
        # msgspec leaves out what is the very object of the default, not what equals it.
        if self.side == _LONG:
            msgspec.structs.force_setattr(self, "side", _LONG)
        if self.size == _ALL_IN:
            msgspec.structs.force_setattr(self, "size", _ALL_IN)

    def __hash__(self) -> int:
        return hash(self.json)

    @property
    def json(self) -> bytes:
        """The one form in which it is hashed and stored: keys in order, no spaces."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def id(self) -> str:
        """Twelve digits that name it, everywhere and always the same."""
        return hashlib.sha256(self.json).hexdigest()[:12]

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={_short(value)}" for name, value in self.params.items())
        return f"{self.family}({shown})"


def from_json(data: bytes | str | dict[str, Any]) -> Strategy:
    """A strategy out of its JSON; see ``families.check`` for what its family says to the parameters.

    Raises:
        msgspec.ValidationError: it is none.
    """
    if isinstance(data, dict):
        return msgspec.convert(data, Strategy)
    return msgspec.json.decode(data, type=Strategy)


def _short(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:16]
