"""The chaos run's verdict finds what is wrong: one made-up minute, spoilt in one way after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

verdict = pytest.importorskip(
    "benchmarks.chaos.verdict", reason="run as `python -m pytest` from the checkout"
)

from benchmarks.chaos.evidence import Stored, Taped  # noqa: E402
from benchmarks.chaos.run import Survived  # noqa: E402
from benchmarks.chaos.truth import Made, Truth  # noqa: E402

MINUTE = 1_723_075_200_000_000
TRADES = ("kraken", "BTC-USD", "trades", MINUTE)
QUOTES = ("kraken", "BTC-USD", "quotes", MINUTE)


class Case:
    """A minute of Kraken with three trades and two quotes, all of them there."""

    def __init__(self) -> None:
        self.truth = {venue: Truth() for venue in ("binance", "coinbase", "kraken")}
        trades = {number: (100.0 + number, 1.0, 1.0) for number in (1, 2, 3)}
        quotes = {number: (99.0, float(number), 101.0, 1.0) for number in (1, 2)}
        here = self.truth["kraken"]
        here.trades = {("BTC-USD", n): Made(MINUTE + n, n, values) for n, values in trades.items()}
        here.quotes = {("BTC-USD", n): Made(MINUTE + n, n, values) for n, values in quotes.items()}
        here.handed = set(here.quotes)
        self.taped = Taped(last_us=MINUTE + 120_000_000)
        self.taped.trades = {("kraken", "BTC-USD", n): values for n, values in trades.items()}
        self.taped.quote_values["kraken", "BTC-USD"] = Counter(quotes.values())
        self.taped.quotes_at = Counter({("kraken", n): 1 for n in quotes})
        self.stored = Stored(
            ticks=Counter(self.taped.trades),
            tick_rows={key: (MINUTE + key[2], values) for key, values in self.taped.trades.items()},
            quotes=Counter(),
            quotes_at=Counter(self.taped.quotes_at),
            coverage={TRADES: ("complete", 3, ""), QUOTES: ("complete", 2, "")},
        )
        self.stored.ticks = Counter(dict.fromkeys(self.taped.trades, 1))

    def wrong(self) -> list[str]:
        found = verdict.Verdict()
        verdict._ticks(found, self.truth, self.taped, self.stored)
        verdict._quotes(found, self.taped, self.stored)
        verdict._minutes(found, self.truth, Survived(), self.taped, self.stored)
        return found.wrong  # type: ignore[no-any-return]


def lose_a_trade(case: Case) -> None:
    key = ("kraken", "BTC-USD", 2)
    del case.taped.trades[key], case.stored.ticks[key], case.stored.tick_rows[key]
    case.stored.coverage[TRADES] = ("complete", 2, "")


def lose_a_quote(case: Case) -> None:
    case.taped.quote_values["kraken", "BTC-USD"][99.0, 2.0, 101.0, 1.0] -= 1


def forget_the_minute(case: Case) -> None:
    del case.stored.coverage[QUOTES]


def give_no_reason(case: Case) -> None:
    case.stored.coverage[QUOTES] = ("missing", 2, "")


def count_wrongly(case: Case) -> None:
    case.stored.coverage[TRADES] = ("complete", 4, "")


def store_twice(case: Case) -> None:
    case.stored.ticks["kraken", "BTC-USD", 1] += 1


def store_another_price(case: Case) -> None:
    case.stored.tick_rows["kraken", "BTC-USD", 1] = (MINUTE + 1, (99.5, 1.0, 1.0))


def store_what_nobody_made(case: Case) -> None:
    case.stored.ticks["kraken", "BTC-USD", 9] = 1
    case.stored.tick_rows["kraken", "BTC-USD", 9] = (MINUTE, (1.0, 1.0, 1.0))


def leave_a_frame_out(case: Case) -> None:
    del case.stored.quotes_at["kraken", 1]


def leave_an_answer_out(case: Case) -> None:
    case.taped.by_rest.add(("kraken", "BTC-USD", 7))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lose_a_trade, "made 3, stored 2"),
        (lose_a_quote, "made 2, lost 1"),
        (forget_the_minute, "no row"),
        (give_no_reason, "coverage is not true"),
        (count_wrongly, "coverage 4"),
        (store_twice, "twice in ticks"),
        (store_another_price, "differ from what the venue made"),
        (store_what_nobody_made, "no venue made"),
        (leave_a_frame_out, "other quotes"),
        (leave_an_answer_out, "REST answers not in ticks"),
    ],
)
def test_what_is_spoilt_is_found(spoil: Callable[[Case], None], told: str) -> None:
    case = Case()
    assert case.wrong() == []
    spoil(case)
    [wrong] = case.wrong()
    assert told in wrong


def test_what_coverage_owns_up_to_is_not_wrong() -> None:
    case = Case()
    lose_a_trade(case)
    lose_a_quote(case)
    case.stored.coverage = {TRADES: ("missing", 2, "id 2 awaited"), QUOTES: ("missing", 1, "connection lost")}
    assert case.wrong() == []
