"""Tick strategies as a part of the engine: trades of the symbols that are wanted go to their consumer."""

from __future__ import annotations

from collections.abc import Sequence

from barograph.paper.consumer import Consumer
from barograph.paper.events import TradeEvent
from barograph.paper.ledger import Ledger
from barograph.recorder.trading.control import Action
from barograph.recorder.trading.engine import Done
from barograph.recorder.trading.specs import Market, TickStrategy


class TickPart:
    """A consumer on the trades of the tape."""

    def __init__(self, spec: TickStrategy, market: Market, ledger: Ledger) -> None:
        self.name = spec.name
        self._market = market
        self._everything = market == Market()
        self.consumer = Consumer(ledger, spec.dip, spec.terms, name=spec.name, account=spec.account or None)

    def take(self, trades: Sequence[TradeEvent]) -> Done:
        """Hand on the trades that are wanted."""
        if not trades:
            return Done()
        handled = self.consumer.handle(
            [event for event in trades if self._everything or self._wants(event.venue, event.symbol)]
        )
        return Done(handled.opened, handled.closed)

    def told(self, action: Action) -> None:
        """Stop, flatten, or go on."""
        if action == "resume":
            self.consumer.resume()
        else:
            self.consumer.halt(flatten=action == "flatten")

    def keep(self, pos: int) -> None:
        """Write what has changed."""
        self.consumer.keep(pos)

    def _wants(self, venue: str, symbol: str) -> bool:
        return self._market.wants(venue, symbol)
