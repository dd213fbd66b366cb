"""Whatever is delivered again, killed in between or run twice: the ledger of a clean run."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barograph.errors import StorageError
from barograph.paper.consumer import Consumer
from barograph.paper.dip import Dip
from barograph.paper.events import TradeEvent
from barograph.paper.ledger import Account, Item, Ledger
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Trade
from barograph.paper.purse import Terms

from .model_ledger import ModelLedger

DIP = Dip(drop_pct=1.0, lookback_s=20.0, profit_pct=1.0, stop_pct=1.0, hold_s=60.0)
TERMS = Terms(size=0.6, slippage_bps=2.0, orders_per_minute=15, daily_loss_pct=5.0, max_exposure=0.9)
ACCOUNTS = st.sampled_from([None, "all"])

Standing = tuple[list[Item], list[Account], list[Trade]]


def market(seed: int, n: int = 200) -> list[TradeEvent]:
    """Trades of three symbols with many of one time, in the order of their times, over a midnight.

    Among them some that cannot be: whoever goes over them again must leave them out again.
    """
    dice = random.Random(seed)
    prices, ts_us, events = {"X": 100.0, "Y": 20.0, "Z": 3.0}, 1_723_161_600_000_000 - n * 250_000, []
    for i in range(n):
        ts_us += dice.choice([0, 0, 1, 300_000, 1_500_000])
        symbol = dice.choice(sorted(prices))
        prices[symbol] *= math.exp(dice.gauss(0, 0.008))
        events.append(TradeEvent(symbol, prices[symbol], 1.0, ts_us, f"t{i}", "sim"))
        wrong = (math.nan, math.inf, 0.0, -1.0)[i % 4]
        events += [TradeEvent(one, wrong, 1.0, ts_us + 1, f"w{i}{one}", "sim") for one in sorted(prices)]
    return events


def new(ledger: Ledger, account: str | None) -> Consumer:
    return Consumer(ledger, DIP, TERMS, account=account)


def standing(ledger: Ledger, account: str | None) -> Standing:
    """All that is in a ledger but how often it was written."""
    items = [item._replace(version=0, tape_pos=0) for item in ledger.items()]
    accounts = [] if account is None else [ledger.account(account)._replace(version=0)]
    return items, accounts, list(ledger.trades())


def clean(events: list[TradeEvent], account: str | None) -> Standing:
    ledger = ModelLedger()
    consumer = new(ledger, account)
    consumer.handle(events)
    consumer.keep()
    found = standing(ledger, account)
    assert found[2], "a market in which little is traded shows little"
    return found


class Source:
    """A stream that delivers at least once: it goes on only behind what was acknowledged.

    It cuts and repeats as it likes: each batch begins at or before the first event that is not acknowledged,
    and what a batch skips has been given to the same consumer before.
    """

    def __init__(self, events: list[TradeEvent], dice: random.Random) -> None:
        self.events, self.dice = events, dice
        self.acknowledged = self.given = 0

    @property
    def over(self) -> bool:
        return self.acknowledged == len(self.events)

    def batch(self) -> list[TradeEvent]:
        begin = self.dice.randint(max(self.given - 25, 0), self.given)
        end = min(self.given + self.dice.randint(0, 15), len(self.events))
        self.end = end
        return self.events[begin:end]

    def step(self, consumer: Consumer) -> None:
        """One batch, sometimes kept after it."""
        consumer.handle(self.batch())
        self.given = self.end
        if self.dice.random() < 0.5 or self.given == len(self.events):
            consumer.keep()
            self.acknowledged = self.given

    def crash(self) -> None:
        """Who had the events that are not acknowledged is gone."""
        self.given = self.acknowledged


def failing(dice: random.Random, often: float) -> Callable[[str], None]:
    def gate(_: str) -> None:
        if dice.random() < often:
            raise StorageError("the store is away")

    return gate


seeds = st.integers(0, 2**32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 11), seeds, ACCOUNTS)
def test_cuts_redelivery_lost_answers_and_crashes_leave_the_ledger_of_a_clean_run(
    seed: int, luck: int, account: str | None
) -> None:
    events, dice, ledger = market(seed), random.Random(luck), ModelLedger()
    source = Source(events, dice)
    ledger.gate = failing(dice, dice.choice([0.0, 0.02, 0.2]))
    consumer: Consumer | None = None
    while not source.over:
        try:
            consumer = consumer or new(ledger, account)
            source.step(consumer)
        except StorageError:
            if dice.random() < 0.5:  # the process dies of it, else it is given the events again
                consumer = None
                source.crash()
    ledger.gate = lambda _: None
    assert standing(ledger, account) == clean(events, account)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 11), seeds, ACCOUNTS)
def test_two_consumers_interleaved_at_every_write_leave_the_ledger_of_a_clean_run(
    seed: int, luck: int, account: str | None
) -> None:
    events, dice, ledger = market(seed), random.Random(luck), ModelLedger()
    sources = [Source(events, dice), Source(events, dice)]
    consumers: list[Consumer | None] = [None, None]
    busy = [False, False]
    lossy = failing(dice, dice.choice([0.0, 0.05]))

    def run(one: int) -> None:
        busy[one] = True
        try:
            consumer = consumers[one] = consumers[one] or new(ledger, account)
            sources[one].step(consumer)
        except StorageError:
            if dice.random() < 0.3:
                consumers[one] = None
                sources[one].crash()
        finally:
            busy[one] = False

    def gate(when: str) -> None:
        """Between any two steps of one, the other may do as many as it likes."""
        for other in (0, 1):
            while not busy[other] and not sources[other].over and dice.random() < 0.4:
                run(other)
        lossy(when)

    ledger.gate = gate
    while not all(source.over for source in sources):
        ahead = dice.randint(0, 1)
        run(ahead if not sources[ahead].over else 1 - ahead)
    ledger.gate = lambda _: None
    assert standing(ledger, account) == clean(events, account)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 11), luck=seeds, account=ACCOUNTS)
def test_a_file_of_sqlite_ends_as_the_model_does(
    tmp_path_factory: pytest.TempPathFactory, seed: int, luck: int, account: str | None
) -> None:
    events, dice = market(seed), random.Random(luck)
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    source, ledger = Source(events, dice), SqliteLedger(path)
    consumer = new(ledger, account)
    while not source.over:
        source.step(consumer)
        if dice.random() < 0.2:
            ledger.shut()
            source.crash()
            ledger = SqliteLedger(path)
            consumer = new(ledger, account)
    found = standing(ledger, account)
    ledger.shut()
    assert found == clean(events, account)


@pytest.mark.parametrize("account", [None, "all"])
def test_threads_with_a_connection_each_leave_the_ledger_of_a_clean_run(
    tmp_path: Path, account: str | None
) -> None:
    events, failures = market(5, 600), []

    def work(luck: int) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite")
        try:
            source, consumer = Source(events, random.Random(luck)), new(ledger, account)
            while not source.over:
                source.step(consumer)
        except BaseException as error:  # a thread's own would be lost
            failures.append(error)
            raise
        finally:
            ledger.shut()

    threads = [threading.Thread(target=work, args=(luck,)) for luck in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    found = standing(ledger, account)
    ledger.shut()
    assert found == clean(events, account)
