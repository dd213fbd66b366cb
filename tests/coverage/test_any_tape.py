"""On tapes made by chance: any cutting gives the same rows, and no row says more than is true."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from barograph.coverage.rows import WHOLE
from barograph.gaps import Channel
from barograph.records import Kind

from .making import BOTH, Tape, drive

SYMBOLS = ("BTC-USDT", "ETH-USDT")


@dataclass
class Venue:
    """A venue that trades by chance, and connections to it that come and go by chance.

    ``happened`` and ``arrived`` count trades and quotes by symbol, channel and minute.
    """

    feed: str
    seed: int
    minutes: int = 12
    happened: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    arrived: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    trouble: float = 0.01
    open: dict[str, float] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, 100))
    lost: list[tuple[str, int, float]] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def tape(self) -> Tape:
        """The tape of all that arrived, in the order of receipt."""
        self.chance = random.Random(self.seed)
        self.made = Tape(self.feed)
        self.rate = {symbol: self.chance.choice((0.9, 0.2, 0.01)) for symbol in SYMBOLS}
        for second in range(self.minutes * 60):
            self._connections(float(second))
            carried = [self._event(float(second), *one) for one in product(SYMBOLS, Channel)]
            for name in self.open:
                if not any(carried) or self.chance.random() < 0.2:
                    self.made.alive(second + 1, second + 1, name)
            if self.lost and self.feed == "binance" and self.chance.random() < 0.02:
                self._refill(second + 0.9)
        self.made.add(self.minutes * 60 + 400, Kind.CLOCK, "clock")
        self.made.sort()
        return self.made

    def _connections(self, at: float) -> None:
        if self.chance.random() < (self.trouble / 3 if self.open else 0.1):
            name = f"c{len(self.made.streams)}"
            self.open[name] = at
            self.asked.append(at)
            self.made.subscribe(at, name, wanted=dict.fromkeys(SYMBOLS, BOTH))
        for name in list(self.open):
            if self.chance.random() < self.trouble:
                del self.open[name]
                self.made.close(at + 0.01, name, reason=self.chance.choice(("cut", "the process ended")))

    def _event(self, at: float, symbol: str, channel: Channel) -> bool:
        """Maybe something happens; whether it arrived."""
        if self.chance.random() >= self.rate[symbol]:
            return False
        ts = at + 0.2 + 0.1 * self.chance.random()
        key = (symbol, str(channel), int(ts // 60))
        self.happened[key] += 1
        self.ids[symbol] += channel == Channel.TRADES
        bringing = [name for name, since in self.open.items() if since < at]
        skipped = channel == Channel.TRADES and self.feed == "binance" and self.chance.random() < self.trouble
        # Of a symbol that has shown no number yet nobody can know that one was skipped.
        known = any(arrived[:2] == (symbol, "trades") for arrived in self.arrived)
        if not bringing or (skipped and known):
            if channel == Channel.TRADES:
                self.lost.append((symbol, self.ids[symbol], ts))
            return False
        name = self.chance.choice(bringing)
        self.arrived[key] += 1
        if channel == Channel.TRADES:
            self.made.trade(ts + 0.05, self.ids[symbol], ts, symbol=symbol, connection=name)
        else:
            self.made.quote(ts + 0.05, ts, symbol, name)
        return True

    def _refill(self, at: float) -> None:
        symbol = self.lost[0][0]
        some = [one for one in self.lost if one[0] == symbol][: self.chance.randint(1, 5)]
        self.lost = [one for one in self.lost if one not in some]
        self.made.refill(at, [(number, ts) for _, number, ts in some], symbol=symbol)
        for _, _, ts in some:
            self.arrived[(symbol, "trades", int(ts // 60))] += 1


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["binance", "polygon-crypto"]),
    st.integers(0, 10**6),
    st.lists(st.floats(0, 1), max_size=30),
    st.booleans(),
)
def test_any_runs_and_any_restarts_make_the_same_rows_in_the_same_order(feed, seed, places, saved):
    tape = Venue(feed, seed, minutes=6, trouble=0.03).tape()
    whole, rows = drive(tape)
    cuts = [round(place * len(tape.records)) for place in places]
    parted, same = drive(tape, cuts, saved=saved)
    assert same == rows
    assert parted.gaps() == whole.gaps()
    assert parted.stale(whole.state.now_us, 30.0) == whole.stale(whole.state.now_us, 30.0)


@pytest.mark.parametrize("feed", ["binance", "polygon-crypto"])
def test_one_record_at_a_time_makes_the_same_rows(feed: str):
    tape = Venue(feed, 4, minutes=4, trouble=0.03).tape()
    assert drive(tape, range(len(tape.records)), saved=False)[1] == drive(tape)[1]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["binance", "polygon-crypto"]), st.integers(0, 10**6))
@example("binance", 1429)
@example("binance", 23838)
def test_a_minute_that_counts_as_whole_has_all_that_happened(feed: str, seed: int):
    venue = Venue(feed, seed)
    tape = venue.tape()
    newest = {(row.symbol, row.channel, row.minute): row for row in drive(tape)[1]}
    for key, row in newest.items():
        # A symbol's first minutes are judged for the part that was asked for.
        first = key[2] <= venue.asked[0] // 60
        if row.state in WHOLE and not first and "asked for" not in (row.reason or ""):
            assert row.messages == venue.arrived[key] == venue.happened[key], (key, row)
        assert (row.state == "missing") <= bool(row.reason)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["binance", "polygon-crypto"]), st.integers(0, 10**6))
def test_every_minute_since_the_first_asking_has_one_row_and_revisions_count_up(feed: str, seed: int):
    rows = drive(Venue(feed, seed, minutes=6, trouble=0.02).tape())[1]
    seen: dict[tuple[str, str, int], int] = {}
    for row in rows:
        key = (row.symbol, row.channel, row.minute)
        assert row.revision == seen.get(key, -1) + 1
        seen[key] = row.revision
    for symbol in SYMBOLS:
        for channel in BOTH:
            minutes = sorted(m for s, c, m in seen if (s, c) == (symbol, channel))
            assert minutes == list(range(minutes[0], minutes[-1] + 1)) if minutes else not rows
