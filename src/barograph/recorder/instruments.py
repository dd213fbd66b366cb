"""Small numbers for instruments: one for each venue's symbol, in order of appearance."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from barograph.rows import Codes


class Instruments(msgspec.Struct):
    """The instruments of a tape. ``venues[i]`` and ``symbols[i]`` name instrument ``i``.

    Decoders number the symbols of their own feed; :meth:`translate` turns those numbers
    into instruments. New ones are added in the order in which rows bring them, so the
    same tape always gives the same numbers. A feed that brings rows of several venues
    (imported candles) writes its symbols as ``venue|symbol``.
    """

    venues: list[str] = msgspec.field(default_factory=list)
    symbols: list[str] = msgspec.field(default_factory=list)
    of_feed: dict[str, list[int]] = msgspec.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.symbols)

    def translate(self, feed: str, symbols: Sequence[str], codes: Codes) -> Codes:
        """Instruments of a feed's own ``codes``, which index that feed's ``symbols``."""
        return np.asarray(self.numbers(feed, symbols), dtype=np.int32)[codes]

    def numbers(self, feed: str, symbols: Sequence[str]) -> list[int]:
        """The instrument of each of a feed's ``symbols``; new ones are added."""
        table = self.of_feed.setdefault(feed, [])
        for symbol in symbols[len(table) :]:
            named, _, name = symbol.rpartition("|")
            table.append(len(self.symbols))
            self.venues.append(named or feed)
            self.symbols.append(name)
        return table
