"""Connections as they come and go, and the outages between them.

A series is carried by the connections that were asked to bring it. It is lost when the last of
them has ended, from the last sign of life on any of them, until the first sign of life after the
asking on the next one. Where two overlap nothing is lost.
"""

from __future__ import annotations

import msgspec
import numpy as np

from barograph.clock import US_PER_S
from barograph.coverage.book import Book, limit_history
from barograph.coverage.judge import PATIENCE_US
from barograph.coverage.proofs import Proofs
from barograph.coverage.state import FOREVER, NEVER, PENDING, Blank, Chain, Claim, Connection, Series
from barograph.gaps import Subscribed

SILENT_US = 120 * US_PER_S
"""A connection without any sign of life for so long counts as ended, until there is one again."""

NO_SIGN = "no sign of life"
MOVED = "taken off its connection"
ENDED = "connection lost"


class _Closing(msgspec.Struct):
    reason: str = ""
    code: int | None = None


_subscribed = msgspec.json.Decoder(Subscribed)
_closing = msgspec.json.Decoder(_Closing)


class Connections:
    """Keeps the book's carriers, claims and outages. All moments handed in are of our clock."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.open = book.state.connections

    def configured(self, stream: int, feed: str, payload: bytes, now_us: int) -> None:
        """A ``CONFIG`` record: what the connection is to bring from here on. Others are not for us."""
        try:
            asked = _subscribed.decode(payload)
        except ValueError:
            return
        delay_us = round(asked.delay_s * US_PER_S)
        at_us = now_us - delay_us
        connection = self.open.setdefault(stream, Connection(feed, delay_us, at_us))
        connection.delay_us = delay_us
        wanted = set()
        for symbol, channels in asked.wanted.items():
            for channel in channels:
                number = self._book.number(feed, symbol, str(channel))
                wanted.add(number)
                series = self._book[number]
                series.calendar = asked.calendars.get(symbol, series.calendar)
                series.delay_us = delay_us
                if number not in connection.since:
                    self._ask(stream, connection, series, number, at_us)
        for number in [number for number in connection.since if number not in wanted]:
            self._drop(stream, connection, number, asked, now_us)
        if asked.of_feed:
            self._end_unwanted(feed, asked, at_us)
        self._book.order_claimed()

    def _ask(self, stream: int, connection: Connection, series: Series, number: int, at_us: int) -> None:
        connection.since[number], connection.asked[number] = PENDING, at_us
        series.carriers.append(stream)
        if series.claim is None:
            series.claims.append(Claim(at_us))
            series.covered_us = max(at_us, series.covered_us)
            # Nobody asked for what the ids from before would show to be missing.
            series.chain = Chain(holes=series.chain.holes)
            limit_history(series)

    def _drop(self, stream: int, connection: Connection, number: int, asked: Subscribed, now_us: int) -> None:
        """The connection is no longer to bring a series: it moves, or is not wanted any more."""
        series = self._book[number]
        if _wants(asked, series):
            self._leave(stream, connection, number, MOVED, now_us)
        elif series.carriers == [stream]:
            self._end_claim(number, now_us - connection.delay_us)
        if stream in series.carriers:
            series.carriers.remove(stream)
        del connection.since[number], connection.asked[number]

    def _end_unwanted(self, feed: str, asked: Subscribed, at_us: int) -> None:
        for number, series in enumerate(self._book.state.series):
            if series.venue == feed and series.claim and not series.carriers and not _wants(asked, series):
                self._end_claim(number, at_us)

    def _end_claim(self, number: int, at_us: int) -> None:
        series = self._book[number]
        assert series.claim is not None
        outage = series.outage
        state = self._book.state
        if outage and state.due_us - max(series.lost_us, state.woken_us) < PATIENCE_US:
            # It was lost, and not asked for again when it could have been: nobody wanted it any more.
            at_us = max(min(at_us, outage.begin_us), series.claim.from_us)
            series.blanks.pop()
        elif outage:
            outage.end_us = at_us
        series.claim.to_us = at_us
        series.lost_us = NEVER
        self._book.again(number, at_us, FOREVER)

    def prove(self, signs: dict[int, Proofs], record: int) -> None:
        """Take in the signs of life before ``record``."""
        for stream, proofs in signs.items():
            connection = self.open.get(stream)
            if connection is None:
                continue
            newest_us = proofs.before(record) - connection.delay_us
            if newest_us <= connection.proof_us:
                continue
            for number, since_us in connection.since.items():
                if since_us == PENDING:
                    asked_us = connection.asked[number] + connection.delay_us
                    first_us = proofs.first_after(asked_us, record)
                    if first_us is not None:
                        self._carried(stream, connection, number, first_us - connection.delay_us)
            connection.proof_us = newest_us
            connection.dead = False

    def _carried(self, stream: int, connection: Connection, number: int, at_us: int) -> None:
        """A connection is proven to bring a series from ``at_us`` on."""
        connection.since[number] = at_us
        series = self._book[number]
        if stream not in series.carriers:
            series.carriers.append(stream)
        outage, claim = series.outage, series.claim
        if outage is None:
            if claim is not None and claim.from_us == connection.asked[number]:
                claim.from_us = at_us  # until then nothing was proven, and nothing is claimed
            return
        series.lost_us = NEVER
        outage.end_us = at_us
        if outage.end_us <= outage.begin_us:
            series.blanks.pop()
        self._book.again(number, outage.begin_us, at_us)

    def bury_silent(self, now_us: int) -> None:
        """End, for the time being, connections that have given no sign of life for very long."""
        for stream, connection in self.open.items():
            if connection.dead or now_us - connection.delay_us - connection.proof_us <= SILENT_US:
                continue
            connection.dead = True
            for number in connection.since:
                self._leave(stream, connection, number, NO_SIGN, now_us)
                connection.since[number], connection.asked[number] = PENDING, connection.proof_us

    def set_back(self, now_us: int) -> None:
        """Our clock was set back: what it said later than this cannot be believed."""
        for connection in self.open.values():
            connection.proof_us = min(connection.proof_us, now_us - connection.delay_us)
        for number in self._book.claimed:
            series = self._book[number]
            series.covered_us = min(series.covered_us, now_us - series.delay_us)
            series.lost_us = min(series.lost_us, now_us)
        state = self._book.state
        state.newest_us = np.minimum(state.newest_us, now_us)

    def closed(self, stream: int, payload: bytes, now_us: int) -> None:
        """A ``CLOSE`` record."""
        connection = self.open.pop(stream, None)
        if connection is None:
            return
        cause = _cause(payload)
        for number in connection.since:
            outage = self._book[number].outage
            if connection.dead and outage is not None and outage.cause == NO_SIGN:
                outage.cause = cause
                self._book.again(number, outage.begin_us, FOREVER)
            self._leave(stream, connection, number, cause, now_us)

    def _leave(self, stream: int, connection: Connection, number: int, cause: str, now_us: int) -> None:
        """A connection brings a series no longer: is it lost, or was it between two connections?"""
        series = self._book[number]
        if stream in series.carriers:
            series.carriers.remove(stream)
        if connection.since[number] != PENDING:
            series.covered_us = max(series.covered_us, connection.proof_us)
        if series.claim is None or series.outage is not None:
            return
        begin_us = max(series.covered_us, series.claim.from_us)
        others = [self.open[other].since[number] for other in series.carriers]
        proven = [since_us for since_us in others if since_us != PENDING]
        if not proven:
            series.blanks.append(Blank(begin_us, FOREVER, cause))
            series.lost_us = now_us
        elif min(proven) > begin_us:
            series.blanks.append(Blank(begin_us, min(proven), cause))
            self._book.again(number, begin_us, min(proven))
        limit_history(series)

    def alive_us(self, series: Series) -> int:
        """The last sign of life on a connection that brings the series, or brought it."""
        newest_us = series.covered_us
        for stream in series.carriers:
            connection = self.open[stream]
            newest_us = max(newest_us, connection.proof_us)
        return newest_us


def _wants(asked: Subscribed, series: Series) -> bool:
    return series.channel in asked.of_feed.get(series.symbol, ())


def _cause(payload: bytes) -> str:
    """The words of a ``CLOSE`` record: its reason, and the venue's code in brackets."""
    try:
        closing = _closing.decode(payload)
    except ValueError:
        return ENDED
    cause = closing.reason or ENDED
    return cause if closing.code is None else f"{cause} ({closing.code})"
