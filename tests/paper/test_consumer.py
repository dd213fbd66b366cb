from __future__ import annotations

import gzip
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from barograph.errors import StorageError, StoreCorrupt
from barograph.paper.consumer import Consumer, Figures
from barograph.paper.dip import Dip
from barograph.paper.events import TradeEvent
from barograph.paper.filling import Refused
from barograph.paper.ledger import Account, Answer, Item, Key, Ledger
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, trade_key
from barograph.paper.purse import Terms

from .dip_oracle import RoundTrip, round_trips
from .model_ledger import ModelLedger

S = 1_000_000
START_US = 1_723_161_600 * S  # 2024-08-09, midnight
FREE = Terms(fee_bps=0.0, cash=1000.0)


def tick(seconds: float, price: float, symbol: str = "X", half_spread: float = 0.0) -> TradeEvent:
    identity = f"t{symbol}{seconds}"
    return TradeEvent(symbol, price, 1.0, START_US + round(seconds * S), identity, "sim", half_spread)


DIPS = (tick(1, 100), tick(2, 98), tick(3, 97), tick(4, 102), tick(5, 103))
"""Bought at second 3 for 97, sold at 5 for 103."""


def walk(n: int, seed: int, step: float = 0.004) -> list[TradeEvent]:
    """Trades of one symbol: bursts of one time, quiet minutes, now and then a jump."""
    dice = random.Random(seed)
    price, ts_us, events = 100.0, START_US, []
    for i in range(n):
        ts_us += dice.choice([0, 0, 1, 20_000, 300_000, 2_000_000, 2_000_000 if i % 50 else 90_000_000])
        price *= math.exp(dice.gauss(0, step))
        price = round(price, 2)
        events.append(TradeEvent("X", price, 1.0, ts_us, f"t{i}", "sim", round(price * 2e-4, 4)))
    return events


def fills(ledger: Ledger) -> list[RoundTrip]:
    return [
        RoundTrip(one.entry_id, one.entry_price, one.quantity, one.exit_id, one.exit_price, one.reason)
        for one in ledger.trades()
    ]


# -- the rule --------------------------------------------------------------------------------------------


def test_a_dip_is_bought_at_the_next_trade_and_sold_at_the_one_after_the_profit() -> None:
    ledger = ModelLedger()
    handled = Consumer(ledger, terms=FREE).handle(DIPS)
    (position,), (trade,) = handled.opened, handled.closed
    assert (position.entry_price, position.entry_ts_us, position.entry_id) == (97.0, DIPS[2].ts_us, "tX3")
    assert position.quantity == pytest.approx(1000 / 97)
    assert (trade.exit_price, trade.exit_ts_us, trade.exit_id) == (103.0, DIPS[4].ts_us, "tX5")
    assert (trade.reason, trade.trade_key) == ("take_profit", trade_key(position, "tX5"))
    assert trade.profit == pytest.approx(1000 / 97 * 6)
    assert handled[:4] == (5, 0, 0, 0)
    assert list(ledger.trades()) == [trade]
    assert Consumer(ledger, terms=FREE).figures().cash == pytest.approx(1000 + trade.profit)


def test_both_sides_of_a_trade_pay_the_fee() -> None:
    ledger = ModelLedger()
    handled = Consumer(ledger, terms=Terms(fee_bps=10.0, cash=1000.0)).handle(DIPS)
    (position,), (trade,) = handled.opened, handled.closed
    size = 1000 / (97 * 1.001)
    assert position.entry_fee == pytest.approx(size * 97 * 0.001)
    assert trade.fees == pytest.approx(size * (97 + 103) * 0.001)
    assert trade.profit == pytest.approx(size * (103 - 97) - trade.fees)
    assert Consumer(ledger, terms=FREE).figures().cash == pytest.approx(1000 + trade.profit)


@pytest.mark.parametrize(
    ("dip", "terms"),
    [
        (Dip(), Terms()),
        (Dip(drop_pct=1.0, profit_pct=1.0, lookback_s=20.0), Terms(slippage_bps=3.0, spread=True)),
        (Dip(drop_pct=3.0, profit_pct=2.0, stop_pct=1.5), Terms(size=0.37)),
        (Dip(drop_pct=0.5, profit_pct=9.0, hold_s=45.0, lookback_s=7.0), Terms(fee_bps=1.0)),
        (Dip(drop_pct=1.0, profit_pct=0.5, stop_pct=0.5, hold_s=30.0, lookback_s=600.0), Terms(spread=True)),
    ],
)
def test_fills_are_those_of_an_independent_implementation_to_the_bit(dip: Dip, terms: Terms) -> None:
    compared = 0
    for seed in range(6):
        events, ledger = walk(3000, seed), ModelLedger()
        consumer = Consumer(ledger, dip, terms)
        consumer.handle(events)
        expected, still_open = round_trips(events, dip, terms)
        assert fills(ledger) == expected
        assert len(consumer.positions()) == still_open
        compared += len(expected)
    assert compared >= 10


@pytest.mark.parametrize("name", ["binance-spot-btcusdt", "binance-spot-ethusdt", "binance-usdm-btcusdt"])
def test_fills_over_a_recording_are_those_of_an_independent_implementation(
    recordings: Path, tmp_path: Path, name: str
) -> None:
    events, newest = [], 0
    with gzip.open(recordings / f"{name}_20240808.jsonl.gz", "rt") as lines:
        for line in lines:
            trade = json.loads(line.split(" ", 1)[1]).get("data", {})
            if trade.get("e") == "trade" and float(trade["p"]) > 0 and trade["T"] >= newest:
                newest = trade["T"]
                price, size = float(trade["p"]), float(trade["q"])
                events.append(TradeEvent("X", price, size, newest * 1000, f"t{trade['t']}", "binance"))
    dip = Dip(drop_pct=0.02, profit_pct=0.02, stop_pct=0.03, lookback_s=5.0)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    consumer = Consumer(ledger, dip, Terms())
    handled = consumer.handle(events)
    expected, still_open = round_trips(events, dip, Terms())
    assert len(expected) >= 5
    assert handled[1:4] == (0, 0, 0)
    assert fills(ledger) == expected
    assert len(consumer.positions()) == still_open
    ledger.shut()


# -- what counts -----------------------------------------------------------------------------------------


def test_duplicates_late_and_impossible_events_are_counted_and_change_nothing() -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE)
    bad = [
        tick(2.5, 0.0),
        tick(2.5, -1.0),
        tick(2.5, math.nan),
        tick(2.5, math.inf),
        tick(2.5, 98.0, half_spread=98.0),
        tick(2.5, 98.0, half_spread=math.nan),
    ]
    handled = consumer.handle([*DIPS[:2], DIPS[1], DIPS[0], *bad, *DIPS[2:], *DIPS])
    assert handled[:4] == (2 + 1 + 1 + 6 + 3 + 5, 2, 5, 6)
    assert len(list(ledger.trades())) == 1


def test_an_event_of_the_time_of_the_decision_does_not_fill_it() -> None:
    consumer = Consumer(ModelLedger(), terms=FREE)
    same = tick(2, 97)._replace(identity="another")
    assert consumer.handle([tick(1, 100), tick(2, 98), same]).opened == ()
    assert consumer.handle([tick(2.000001, 96)]).opened[0].entry_price == 96.0


def test_symbols_and_venues_are_watched_apart() -> None:
    elsewhere = [event._replace(venue="kraken") for event in DIPS]
    other = [event._replace(symbol="Y") for event in DIPS]
    handled = Consumer(ModelLedger(), terms=FREE).handle(
        [event for three in zip(DIPS, elsewhere, other, strict=True) for event in three]
    )
    assert [(one.venue, one.symbol) for one in handled.closed] == [
        ("sim", "X"),
        ("kraken", "X"),
        ("sim", "Y"),
    ]


def test_a_trade_under_an_identity_that_was_bought_before_is_refused_and_the_next_dip_is_bought() -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE)
    consumer.handle(DIPS)
    again = [tick(200, 100), tick(201, 98), tick(202, 97)._replace(identity="tX3"), tick(203, 100)]
    handled = consumer.handle([*again, tick(204, 97), tick(205, 96)])
    assert handled.refused == (Refused("sim", "X", again[2].ts_us, "known"),)
    assert [one.entry_id for one in handled.opened] == ["tX205"]


# -- the ledger ------------------------------------------------------------------------------------------


def test_without_orders_nothing_is_written_until_keep_and_then_only_what_has_changed() -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger)
    consumer.handle([tick(1, 100), tick(1, 100, "Y")])
    assert ledger.writes == 0
    consumer.keep(tape_pos=7)
    consumer.keep(tape_pos=8)
    assert ledger.writes == 2
    consumer.handle([tick(2, 100, "Y")])
    consumer.keep(tape_pos=9)
    assert [item.tape_pos for item in ledger.items()] == [7, 9]
    assert [item.mark for item in ledger.items()] == [100.0, 100.0]
    assert [item.newest_ts_us - START_US for item in ledger.items()] == [S, 2 * S]


@pytest.mark.parametrize("cut", range(1, 5))
def test_a_new_consumer_goes_on_where_the_last_one_kept(cut: int) -> None:
    whole, parts = ModelLedger(), ModelLedger()
    for ledger, batches in ((whole, [DIPS]), (parts, [DIPS[:cut], DIPS[cut:]])):
        for batch in batches:
            consumer = Consumer(ledger, terms=FREE)
            consumer.handle(batch)
            consumer.keep()
    assert list(whole.trades()) == list(parts.trades())
    assert _standing(whole) == _standing(parts)


def test_other_terms_and_levels_apply_to_what_is_open_and_the_cash_stays() -> None:
    ledger = ModelLedger()
    Consumer(ledger, terms=FREE).handle(DIPS[:3])
    consumer = Consumer(ledger, Dip(profit_pct=1.0), FREE._replace(cash=5.0))
    assert consumer.handle([tick(3.1, 98), tick(3.2, 99)]).closed[0].exit_price == 99.0
    assert consumer.figures().cash == pytest.approx(1000 / 97 * 99)


@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_write_that_fails_leaves_the_consumer_as_it_was_before_the_event(lost: str) -> None:
    ledger, clean = ModelLedger(), ModelLedger()
    consumer = Consumer(ledger, terms=FREE)
    consumer.handle(DIPS[:2])  # decided, and not kept
    ledger.gate = _failing(lost)
    with pytest.raises(StorageError, match="the store is away"):
        consumer.handle(DIPS[2:])
    ledger.gate = lambda _: None
    consumer.handle(DIPS[2:])
    consumer.keep()
    other = Consumer(clean, terms=FREE)
    other.handle(DIPS)
    other.keep()
    assert _standing(ledger) == _standing(clean)
    assert list(ledger.trades()) == list(clean.trades())


def test_events_of_the_batch_behind_what_another_has_written_count() -> None:
    ledger = ModelLedger()
    one, two = Consumer(ledger, terms=FREE), Consumer(ledger, terms=FREE)
    two.handle(DIPS[:2])
    one.handle(DIPS[:3])  # the third was given to one alone, who buys and is gone
    handled = two.handle(DIPS[3:])
    assert [one.exit_id for one in handled.closed] == ["tX5"], "decided on the event that overtook it"


@pytest.mark.parametrize("seen", [3, 5])
def test_who_missed_what_another_has_traded_takes_its_item_even_with_newer_events(seen: int) -> None:
    ledger = ModelLedger()
    one, two = Consumer(ledger, terms=FREE), Consumer(ledger, terms=FREE)
    two.handle(DIPS[:1])
    one.handle(DIPS[:seen])
    one.keep()
    before = list(ledger.items())
    two.handle([tick(50, 100)])
    two.keep()
    assert list(ledger.items()) == before
    two.handle([tick(60, 103), tick(61, 103)])
    assert len(list(ledger.trades())) == 1


@pytest.mark.parametrize("state", [b"", b"[]", b'{"form":3}', b'{"form":1,"watch":{}}', b"\xff"])
def test_an_item_of_another_kind_is_refused(state: bytes) -> None:
    ledger = ModelLedger()
    ledger.write(Item(Key("dip", "sim", "X"), state=state))
    with pytest.raises(StoreCorrupt, match="item dip sim X of the ledger cannot be read"):
        Consumer(ledger).handle(DIPS)


def test_an_item_with_cash_of_its_own_is_not_taken_into_an_account() -> None:
    ledger = ModelLedger()
    Consumer(ledger).handle(DIPS)
    with pytest.raises(StoreCorrupt, match="kept elsewhere"):
        Consumer(ledger, account="all").handle(DIPS)


def _failing(when: str) -> Callable[[str], None]:
    def gate(now: str) -> None:
        if now == when:
            raise StorageError("the store is away")

    return gate


def _standing(ledger: ModelLedger) -> list[Item]:
    """Items without what depends on how often they were written."""
    return [item._replace(version=0, tape_pos=0) for item in ledger.items()]


# -- cash and limits -------------------------------------------------------------------------------------


def both(events: Sequence[TradeEvent]) -> list[TradeEvent]:
    """The same events of X, and a little later of Y."""
    later = [event._replace(symbol="Y", ts_us=event.ts_us + 1000) for event in events]
    return [event for pair in zip(events, later, strict=True) for event in pair]


def test_without_an_account_each_symbol_has_its_own_cash_and_with_one_they_share_it() -> None:
    own, shared = ModelLedger(), ModelLedger()
    assert len(Consumer(own, terms=FREE).handle(both(DIPS[:3])).opened) == 2
    handled = Consumer(shared, terms=FREE, account="all").handle(both(DIPS[:3]))
    assert [one.symbol for one in handled.opened] == ["X"]
    assert [(one.symbol, one.why) for one in handled.refused] == [("Y", "cash")]


def test_several_consumers_share_an_account() -> None:
    ledger = ModelLedger()
    half = FREE._replace(size=0.5)
    one = Consumer(ledger, terms=half, name="one", account="all")
    two = Consumer(ledger, terms=half, name="two", account="all")
    for event in DIPS[:3]:
        one.handle([event])
        two.handle([event])
    assert [position.strategy for position in (*one.positions(), *two.positions())] == ["one", "two"]
    assert [round(p.quantity * 97) for p in (*one.positions(), *two.positions())] == [500, 500]
    assert one.figures().paid == two.figures().paid == pytest.approx(1000)
    assert one.figures().equity == pytest.approx(1000)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (FREE._replace(max_exposure=0.3, size=0.3), "exposure"),
        (FREE._replace(orders_per_minute=1, size=0.3), "order_rate"),
        (FREE._replace(min_size=500.0, size=0.6), "cash"),
    ],
)
def test_an_entry_beyond_a_limit_is_refused_and_written_down(terms: Terms, why: str) -> None:
    ledger = ModelLedger()
    handled = Consumer(ledger, terms=terms, account="all").handle(both(DIPS[:3]))
    assert [(one.symbol, one.why) for one in handled.refused] == [("Y", why)]
    assert ledger.read(Key("dip", "sim", "Y")).version == 1, "so that nobody decides it again, otherwise"


def test_after_the_days_loss_no_entry_is_made_until_midnight_utc() -> None:
    losing = [tick(1, 100), tick(2, 98), tick(3, 98), tick(4, 97), tick(5, 90), tick(6, 100), tick(7, 98)]
    consumer = Consumer(ModelLedger(), Dip(stop_pct=1.0), FREE._replace(daily_loss_pct=5.0))
    handled = consumer.handle([*losing, tick(8, 98)])
    assert handled.closed[0].profit_pct == pytest.approx(-100 * 8 / 98)
    assert [one.why for one in handled.refused] == ["daily_loss"]
    late = 86_400 - 70
    handled = consumer.handle([tick(late, 100), tick(late + 1, 98), tick(late + 2, 98)])
    assert [one.why for one in handled.refused] == ["daily_loss"]
    late = 86_400 - 1
    handled = consumer.handle([tick(late - 2, 100), tick(late, 97), tick(late + 1, 97)])
    assert len(handled.opened) == 1, "its fill is of the next day"


def test_a_volatility_target_commits_less_where_prices_move_more() -> None:
    terms = FREE._replace(sizing="volatility", size=5.0)
    (position,) = Consumer(ModelLedger(), terms=terms).handle(DIPS[:3]).opened
    # One return, from 100 to 98 in a second: the event that fills it is not known yet.
    volatility = math.sqrt(365 * 86_400 * math.log(0.98) ** 2)
    assert position.quantity * 97 == pytest.approx(1000 * 5.0 / volatility)


def test_the_spread_and_the_slippage_are_paid_at_both_fills() -> None:
    events = [event._replace(half_spread=0.5) for event in DIPS]
    terms = FREE._replace(slippage_bps=100.0, spread=True)
    (trade,) = Consumer(ModelLedger(), Dip(profit_pct=3.0), terms).handle(events).closed
    assert trade.entry_price == pytest.approx(97 * 1.01 + 0.5)
    assert trade.exit_price == pytest.approx(103 * 0.99 - 0.5)


# -- the kill switch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", [None, "all"])
def test_halt_drops_what_waits_allows_no_entries_and_is_remembered(account: str | None) -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE, account=account)
    consumer.handle(DIPS[:2])
    consumer.halt(flatten=False)
    consumer.handle(DIPS[2:3])
    again = Consumer(ledger, terms=FREE, account=account)
    again.handle([tick(70, 100), tick(71, 98), tick(72, 97)])
    again.handle([tick(70, 100, "Z"), tick(71, 98, "Z"), tick(72, 97, "Z")])  # nobody has seen it before
    assert again.positions() == ()
    assert again.figures().halted
    again.resume()
    assert len(again.handle([tick(140, 100), tick(141, 98), tick(142, 97)]).opened) == 1
    assert not again.figures().halted


@pytest.mark.parametrize("account", [None, "all"])
def test_flatten_sells_each_symbol_at_its_next_event(account: str | None) -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE._replace(size=0.5), account=account)
    consumer.handle(both(DIPS[:3]))
    consumer.halt(flatten=True)
    again = Consumer(ledger, terms=FREE, account=account)  # the process was killed in between
    assert again.handle([DIPS[2]]).duplicates == 1
    handled = again.handle([tick(3.5, 96), tick(3.6, 95, "Y")])
    assert [(one.symbol, one.exit_price, one.reason) for one in handled.closed] == [
        ("X", 96.0, "flatten"),
        ("Y", 95.0, "flatten"),
    ]
    assert again.positions() == ()


@pytest.mark.parametrize("account", [None, "all"])
def test_a_kill_switch_of_one_consumer_stops_another_of_the_same_name(account: str | None) -> None:
    ledger = ModelLedger()
    one = Consumer(ledger, terms=FREE, account=account)
    two = Consumer(ledger, terms=FREE, account=account)
    two.handle(DIPS[:2])  # its order waits
    one.halt(flatten=False)
    two.keep()
    assert two.handle(DIPS[2:]).opened == ()
    again = [tick(70, 100), tick(71, 98), tick(72, 97)]
    assert two.handle(again).opened == ()


class Between(ModelLedger):
    """Lets somebody in right before the first position is written."""

    act: Callable[[], None] | None = None

    def open(self, item: Item, position: Position, account: Account | None = None) -> Answer:
        act, self.act = self.act, None
        if act is not None:
            act()
        return super().open(item, position, account)


@pytest.mark.parametrize("account", [None, "all"])
def test_a_kill_switch_right_before_the_first_write_of_a_symbol_is_not_missed(account: str | None) -> None:
    ledger = Between()
    one, two = (Consumer(ledger, terms=FREE, account=account) for _ in range(2))
    ledger.act = lambda: one.halt(flatten=True)
    two.handle([*DIPS[:3], tick(3.5, 96)])
    assert two.positions() == ()
    assert [trade.reason for trade in ledger.trades()] == ([] if account else ["flatten"])


@pytest.mark.parametrize("account", [None, "all"])
def test_a_kill_switch_of_another_refuses_the_first_entry_of_a_symbol(account: str | None) -> None:
    ledger = ModelLedger()
    one, other = (Consumer(ledger, terms=FREE, account=account) for _ in range(2))
    one.handle(DIPS[:2])  # decided, and nothing of it written
    other.halt(flatten=False)
    handled = one.handle(DIPS[2:])
    assert (handled.opened, one.positions()) == ((), ())


def test_a_halt_that_fails_on_the_way_is_finished_by_asking_again() -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE)
    consumer.handle(both(DIPS[:3]))
    consumer.keep()
    left = [2]

    def gate(when: str) -> None:
        if when == "after":
            left[0] -= 1
            if left[0] == 0:
                raise StorageError("the store is away")

    ledger.gate = gate
    with pytest.raises(StorageError):
        consumer.halt(flatten=True)
    consumer.halt(flatten=True)
    handled = Consumer(ledger, terms=FREE).handle([tick(9, 96), tick(9, 96, "Y")])
    assert [one.reason for one in handled.closed] == ["flatten", "flatten"]


# -- figures ---------------------------------------------------------------------------------------------


def test_figures_value_what_is_open_at_the_last_price() -> None:
    ledger = ModelLedger()
    consumer = Consumer(ledger, terms=FREE._replace(size=0.5))
    consumer.handle(both(DIPS[:4]))
    worth = 2 * 500 / 97 * 102
    expected = Figures(1000.0, 1000.0, worth, 1000.0 + worth, 0.0, positions=2, halted=False)
    assert consumer.figures() == pytest.approx(expected)
    consumer.keep()
    assert Consumer(ledger).figures().worth == pytest.approx(worth), "from the ledger's marks"


# -- cheap at the door -----------------------------------------------------------------------------------

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"numba", "numpy", "polars", "msgspec", "structlog", "pyarrow", "duckdb",
                                      "pydantic", "pandas", "zstandard", "dataclasses", "inspect", "sqlite3"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
before = set(sys.modules)
from barograph.paper.consumer import Consumer
from barograph.paper.parsing import parse
new = set(sys.modules) - before
ours = {name for name in new if name.startswith("barograph")}
print(*sorted(ours))
print(*sorted(name for name in new - ours if name.partition(".")[0] not in sys.stdlib_module_names))
"""


def test_the_consumer_needs_nothing_but_python_and_its_own_room() -> None:
    ran = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True)
    ours, others = ran.stdout.splitlines()
    allowed = {"barograph", "barograph.errors", "barograph.clock"}
    assert {name for name in ours.split() if not name.startswith("barograph.paper")} <= allowed
    assert others == ""


def test_events_that_make_no_order_are_handled_quickly() -> None:
    """Far below what was measured, so that a busy machine does not fail it."""
    events = [tick(i / 5000, 100.0 + i % 7 / 100, f"S{i % 20}") for i in range(20_000)]
    consumer, begun = Consumer(ModelLedger()), time.process_time()
    assert consumer.handle(events)[1:4] == (0, 0, 0)
    assert len(events) / (time.process_time() - begun) > 100_000


def test_the_import_takes_less_than_50_ms_of_the_processor() -> None:
    code = "import time; begun = time.process_time(); from barograph.paper.consumer import Consumer; "
    code += "print(time.process_time() - begun)"
    spent = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(spent) < 0.05
