"""What every ledger promises. A test module inherits it and gives two fixtures.

``client()`` opens the same store again each time, as another process would. ``elsewhere`` is Python code that
opens it in a process of its own as ``ledger``.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from barograph.errors import DataError
from barograph.paper.ledger import Account, Answer, Item, Key, Ledger, Overtaken
from barograph.paper.positions import Position, Trade, completed

KEY = Key("dip", "sim", "BTC-USD")
WRITER = Path(__file__).with_name("ledger_writer.py")

Client = Callable[[], Ledger]


def position(entry_id: str = "t1", **other: Any) -> Position:
    plain = Position("dip", "sim", "BTC-USD", 0.1, 100.0, 1_000, 0.01, entry_id)
    return plain._replace(**other)


def trade(of: Position, exit_id: str = "t9", exit_ts_us: int = 9_000, price: float = 105.0) -> Trade:
    return completed(
        of, exit_price=price, exit_ts_us=exit_ts_us, exit_fee=0.02, exit_id=exit_id, reason="take_profit"
    )


def bought(ledger: Ledger, entry_id: str = "t1", key: Key = KEY) -> tuple[Item, Position]:
    """A position that has just been opened, and the item that holds it."""
    one = position(entry_id, strategy=key.strategy, venue=key.venue, symbol=key.symbol)
    assert ledger.open(ledger.read(key), one) is Answer.DONE
    return ledger.read(key), one


class LedgerContract:
    """Tests that hold for every implementation of ``barograph.paper.ledger.Ledger``."""

    @pytest.fixture
    def ledger(self, client: Client) -> Iterator[Ledger]:
        opened = client()
        yield opened
        opened.shut()

    @pytest.fixture
    def other(self, client: Client) -> Iterator[Ledger]:
        opened = client()
        yield opened
        opened.shut()

    def test_what_was_never_written_has_version_0(self, ledger: Ledger) -> None:
        assert ledger.read(KEY) == Item(KEY)
        assert ledger.account("shared") == Account("shared")
        assert list(ledger.items()) == list(ledger.trades()) == ledger.pending() == []
        assert ledger.noted("anything") is None

    def test_an_item_comes_back_whole_and_one_version_on(self, ledger: Ledger, other: Ledger) -> None:
        item = Item(
            KEY, 0, b'{"high": 1}\x00\xff', (position("a"), position("b")), 7, 1_723_075_200_000_000, 0.1
        )
        assert ledger.write(item) is Answer.DONE
        assert other.read(KEY) == item._replace(version=1)
        assert ledger.write(item._replace(version=1, state=b"")) is Answer.DONE
        assert other.read(KEY) == item._replace(version=2, state=b"")

    @pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e16 + 2, -1 / 3])
    def test_numbers_come_back_to_the_last_bit(self, ledger: Ledger, value: float) -> None:
        one = position(quantity=value, entry_price=value, entry_fee=value, bar_version=2**62)
        ledger.open(Item(KEY, mark=value, tape_pos=2**62), one)
        found = ledger.read(KEY)
        assert (found.mark, found.tape_pos, found.positions) == (value, 2**62, (one,))

    def test_a_number_that_is_none_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(DataError):
            ledger.open(Item(KEY), position(entry_price=float("nan")))
        assert ledger.read(KEY) == Item(KEY)

    def test_items_are_told_in_order_of_keys(self, ledger: Ledger) -> None:
        keys = [Key("b"), Key("a", "sim", "B"), Key("a", "sim", "A"), Key("a", "binance", "Ω"), Key("a")]
        for key in keys:
            ledger.write(Item(key))
        assert [item.key for item in ledger.items()] == sorted(keys)

    def test_a_write_on_an_old_version_is_refused_and_changes_nothing(
        self, ledger: Ledger, other: Ledger
    ) -> None:
        read = ledger.read(KEY)
        other.write(read._replace(state=b"theirs"))
        with pytest.raises(Overtaken):
            ledger.write(read._replace(state=b"ours"))
        assert ledger.read(KEY) == Item(KEY, 1, b"theirs")

    def test_a_version_from_the_future_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(Overtaken):
            ledger.write(Item(KEY, version=3))
        assert ledger.read(KEY) == Item(KEY)

    def test_a_write_whose_answer_was_lost_is_told_already(self, ledger: Ledger) -> None:
        item, one = bought(ledger)
        ended = item._replace(positions=(), state=b"sold")
        account = Account("shared", 0, b"cash")
        assert ledger.write(ended, [trade(one)], account) is Answer.DONE
        assert ledger.write(ended, [trade(one)], account) is Answer.ALREADY
        assert ledger.read(KEY).version == item.version + 1
        assert ledger.account("shared") == Account("shared", 1, b"cash")

    def test_a_lost_answer_is_told_also_when_the_account_was_written_on(
        self, ledger: Ledger, other: Ledger
    ) -> None:
        write = (Item(KEY, state=b"x"), (), Account("shared", 0, b"cash"))
        ledger.write(*write)
        other.write(Item(Key("else")), (), Account("shared", 1, b"less"))
        assert ledger.write(*write) is Answer.ALREADY

    @pytest.mark.parametrize(
        "change",
        [
            {"state": b"other"},
            {"tape_pos": 8},
            {"newest_ts_us": 8},
            {"mark": 8.0},
            {"positions": (position("other"),)},
        ],
    )
    def test_nearly_the_same_write_is_another_one(self, ledger: Ledger, change: dict[str, Any]) -> None:
        ledger.write(Item(KEY))
        with pytest.raises(Overtaken):
            ledger.write(Item(KEY)._replace(**change))

    def test_the_same_item_with_another_trade_or_account_is_another_write(self, ledger: Ledger) -> None:
        item, one = bought(ledger)
        ended = item._replace(positions=())
        ledger.write(ended, [trade(one)], Account("shared", 0, b"cash"))
        with pytest.raises(Overtaken):
            ledger.write(ended, [trade(one, "t10")], Account("shared", 0, b"cash"))
        with pytest.raises(Overtaken):
            ledger.write(ended, [trade(one)], Account("shared", 0, b"other"))

    def test_a_position_opens_once_whatever_version_is_said(self, ledger: Ledger, other: Ledger) -> None:
        first = ledger.read(KEY)
        item, one = bought(ledger)
        assert other.open(first, one) is Answer.ALREADY
        assert other.open(item._replace(state=b"later"), one) is Answer.ALREADY
        assert ledger.read(KEY) == item == Item(KEY, 1, positions=(one,))

    def test_a_position_that_was_closed_does_not_open_again(self, ledger: Ledger) -> None:
        first = ledger.read(KEY)
        item, one = bought(ledger)
        ledger.close(item, trade(one))
        now = ledger.read(KEY)
        assert ledger.open(first, one) is Answer.ALREADY
        assert ledger.open(now, one) is Answer.ALREADY
        assert ledger.read(KEY) == now

    def test_opening_on_an_old_version_is_refused(self, ledger: Ledger) -> None:
        first = ledger.read(KEY)
        _, one = bought(ledger, "t1")
        with pytest.raises(Overtaken):
            ledger.open(first, position("t2"))
        assert ledger.read(KEY).positions == (one,)

    def test_opening_adds_to_what_is_open(self, ledger: Ledger) -> None:
        item, one = bought(ledger, "t1")
        ledger.open(item._replace(state=b"two"), position("t2"))
        assert ledger.read(KEY) == Item(KEY, 2, b"two", (one, position("t2")))

    def test_the_same_event_opens_one_position_for_each_strategy_and_symbol(self, ledger: Ledger) -> None:
        for key in (
            KEY,
            Key("dip", "sim", "ETH-USD"),
            Key("dip", "kraken", "BTC-USD"),
            Key("other", "sim", "BTC-USD"),
        ):
            bought(ledger, "t1", key)
        assert sum(len(item.positions) for item in ledger.items()) == 4

    def test_closing_takes_the_position_and_leaves_the_trade_pending(self, ledger: Ledger) -> None:
        item, one = bought(ledger)
        assert ledger.close(item._replace(state=b"sold"), trade(one)) is Answer.DONE
        assert ledger.read(KEY) == Item(KEY, 2, b"sold")
        assert list(ledger.trades()) == ledger.pending() == [trade(one)]

    def test_closing_takes_only_its_own_position(self, ledger: Ledger) -> None:
        ledger.write(Item(KEY, positions=(position("a"), position("b"), position("c"))))
        ledger.close(ledger.read(KEY), trade(position("b")))
        assert ledger.read(KEY).positions == (position("a"), position("c"))

    def test_a_position_closes_once_whatever_version_and_exit_are_said(
        self, ledger: Ledger, other: Ledger
    ) -> None:
        item, one = bought(ledger)
        ledger.close(item, trade(one))
        assert other.close(item, trade(one)) is Answer.ALREADY
        assert other.close(item, trade(one, "t10", price=1.0)) is Answer.ALREADY
        assert other.close(ledger.read(KEY), trade(one, "t11")) is Answer.ALREADY
        assert list(ledger.trades()) == [trade(one)]

    def test_closing_on_an_old_version_is_refused(self, ledger: Ledger, other: Ledger) -> None:
        item, one = bought(ledger)
        other.write(item._replace(state=b"theirs"))
        with pytest.raises(Overtaken):
            ledger.close(item, trade(one))
        assert ledger.read(KEY).positions == (one,)
        assert ledger.pending() == []

    def test_a_turn_closes_and_opens_in_one_write(self, ledger: Ledger) -> None:
        item, one = bought(ledger, "b1")
        short = position("b2", quantity=-0.1)
        ledger.write(item._replace(positions=(short,)), [trade(one, exit_id="b2")])
        assert ledger.read(KEY).positions == (short,)
        assert list(ledger.trades()) == [trade(one, exit_id="b2")]

    def test_what_opened_and_closed_between_two_writes_is_a_trade(self, ledger: Ledger) -> None:
        ledger.write(Item(KEY), [trade(position())])
        assert list(ledger.trades()) == [trade(position())]
        assert ledger.open(ledger.read(KEY), position()) is Answer.ALREADY

    @pytest.mark.parametrize(
        ("kept", "ended"),
        [
            ([], []),
            (["t1"], ["t1"]),
            (["t1", "t0"], []),
            (["t1"], ["t0"]),
            (["t1", "t2", "t2"], []),
            (["t1", "t8"], []),
            (["t1"], ["t8"]),
        ],
        ids=[
            "a position is gone without a trade",
            "a position has ended and stays",
            "a closed one is open again",
            "a closed one is closed again",
            "one position stands twice",
            "the position of another item",
            "the trade of another item's position",
        ],
    )
    def test_contradictions_are_refused_and_change_nothing(
        self, ledger: Ledger, kept: list[str], ended: list[str]
    ) -> None:
        ledger.open(Item(Key("account of many")), position("t8"))
        item, one = bought(ledger, "t0")
        ledger.close(item, trade(one))
        item, _ = bought(ledger, "t1")
        before = (list(ledger.items()), list(ledger.trades()))
        changed = item._replace(positions=tuple(map(position, kept)), state=b"wrong")
        with pytest.raises(DataError):
            ledger.write(changed, [trade(position(entry_id), "t10") for entry_id in ended], Account("a"))
        assert (list(ledger.items()), list(ledger.trades())) == before
        assert ledger.account("a").version == 0

    def test_an_account_is_written_with_its_item_or_not_at_all(self, ledger: Ledger, other: Ledger) -> None:
        shared = ledger.account("shared")
        item, one = bought(ledger)
        assert other.write(Item(Key("else")), (), shared._replace(state=b"theirs")) is Answer.DONE
        refused: list[Callable[[], Answer]] = [
            lambda: ledger.write(item._replace(state=b"ours"), (), shared._replace(state=b"ours")),
            lambda: ledger.open(item, position("t2"), shared._replace(state=b"ours")),
            lambda: ledger.close(item, trade(one), shared._replace(state=b"ours")),
        ]
        for write in refused:
            with pytest.raises(Overtaken):
                write()
        assert ledger.read(KEY) == item
        assert ledger.account("shared") == Account("shared", 1, b"theirs")
        assert ledger.pending() == []
        assert ledger.close(item, trade(one), Account("shared", 1, b"ours")) is Answer.DONE
        assert ledger.account("shared") == Account("shared", 2, b"ours")

    def test_an_overtaken_item_leaves_the_account_alone(self, ledger: Ledger) -> None:
        ledger.write(Item(KEY, state=b"first"))
        with pytest.raises(Overtaken):
            ledger.write(Item(KEY, state=b"second"), (), Account("shared", 0, b"cash"))
        assert ledger.account("shared") == Account("shared")

    def test_trades_are_told_by_exit_then_key_from_a_moment_on(self, ledger: Ledger) -> None:
        made = [trade(position(f"t{n}"), f"x{n}", exit_ts_us=ts) for n, ts in enumerate([30, 10, 20, 20, 40])]
        for n, one in enumerate(made):
            ledger.write(Item(KEY, n), [one])
        ordered = sorted(made, key=lambda one: (one.exit_ts_us, one.trade_key))
        assert list(ledger.trades()) == ordered
        assert list(ledger.trades(since_us=20)) == ordered[1:]
        assert ledger.pending(limit=2) == ordered[:2]

    def test_what_the_archive_has_is_not_pending_and_stays_a_trade(self, ledger: Ledger) -> None:
        made = [trade(position(f"t{n}"), f"x{n}", exit_ts_us=n) for n in range(3)]
        ledger.write(Item(KEY), made)
        for _ in range(2):
            ledger.archived([made[0].trade_key, made[2].trade_key, "nobody's"])
            assert ledger.pending() == [made[1]]
        assert list(ledger.trades()) == made

    def test_writes_go_on_while_trades_and_items_are_being_read(self, ledger: Ledger) -> None:
        ledger.write(Item(KEY), [trade(position(f"t{n}"), f"x{n}") for n in range(3)])
        trades, items = ledger.trades(), ledger.items()
        next(trades), next(items)
        bought(ledger, "t7")
        assert len(list(trades)) == 2
        assert list(items) == []

    def test_a_note_is_what_was_said_last(self, ledger: Ledger, other: Ledger) -> None:
        ledger.note("engine", b"\x00 one")
        ledger.note("other", b"")
        ledger.note("engine", b"two")
        assert (other.noted("engine"), other.noted("other"), other.noted("nothing")) == (b"two", b"", None)

    def test_what_was_written_is_there_when_opened_again(self, client: Client) -> None:
        first = client()
        item, _ = bought(first)
        first.note("engine", b"42")
        first.shut()
        again = client()
        assert again.read(KEY) == item
        assert again.noted("engine") == b"42"
        again.shut()

    def test_threads_that_race_open_and_close_each_position_once(self, ledger: Ledger) -> None:
        """All threads share one client, and see the same events."""
        answers: list[list[Answer]] = [race([ledger] * 4, f"t{n}") for n in range(20)]
        assert all(sorted(a.value for a in found) == ["already"] * 3 + ["done"] for found in answers)
        assert len(list(ledger.trades())) == 20
        assert ledger.read(KEY) == Item(KEY, 40)

    def test_clients_that_race_open_and_close_each_position_once(self, client: Client) -> None:
        clients = [client() for _ in range(4)]
        for n in range(20):
            assert sorted(a.value for a in race(clients, f"t{n}")) == ["already"] * 3 + ["done"]
        assert clients[0].read(KEY) == Item(KEY, 40)
        for each in clients:
            each.shut()

    def test_processes_that_race_open_and_close_each_position_once(
        self, ledger: Ledger, elsewhere: str
    ) -> None:
        started = [writer(elsewhere, 40) for _ in range(2)]
        said = [process.communicate(timeout=60) for process in started]
        assert [process.returncode for process in started] == [0, 0], said
        trades = list(ledger.trades())
        assert sorted(one.entry_id for one in trades) == sorted(f"e{n}" for n in range(40))
        assert ledger.read(KEY).positions == ()
        assert ledger.account("shared").version == ledger.read(KEY).version == 80
        done = [line for out, _ in said for line in out.splitlines() if line.endswith("done")]
        assert len(done) == len(set(done)) == 80

    @pytest.mark.parametrize("after", [1, 2, 3, 10, 25])
    def test_a_process_killed_while_it_writes_leaves_whole_writes_and_all_that_it_was_told(
        self, ledger: Ledger, elsewhere: str, after: int
    ) -> None:
        process = writer(elsewhere, 1_000_000)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(after)]
        process.kill()
        rest, _ = process.communicate(timeout=60)
        told += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        item, trades = ledger.read(KEY), list(ledger.trades())
        assert item.version >= len(told)
        assert item.version == 2 * len(trades) + len(item.positions) == ledger.account("shared").version
        assert item.state == ledger.account("shared").state == b"%d" % item.version
        assert [one.entry_id for one in trades] == [f"e{n}" for n in range(len(trades))]
        assert [one.entry_id for one in item.positions] == [f"e{len(trades)}"][: len(item.positions)]
        bought(ledger, "after the crash")


def race(clients: list[Ledger], entry_id: str) -> list[Answer]:
    """Every client opens the position, and closes it; their answers, which must not be ``DONE`` twice."""
    barrier = threading.Barrier(len(clients))
    opened: list[Answer] = []
    closed: list[Answer] = []

    def run(ledger: Ledger) -> None:
        one = position(entry_id)
        barrier.wait(timeout=30)
        opened.append(insistent(ledger, lambda item: ledger.open(item, one)))
        barrier.wait(timeout=30)
        closed.append(insistent(ledger, lambda item: ledger.close(item, trade(one))))

    threads = [threading.Thread(target=run, args=(each,)) for each in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(a.value for a in opened) == sorted(a.value for a in closed)
    return closed


def insistent(ledger: Ledger, write: Callable[[Item], Answer]) -> Answer:
    """Write on what stands, however often it is overtaken."""
    while True:
        try:
            return write(ledger.read(KEY))
        except Overtaken:
            continue


def writer(elsewhere: str, count: int) -> subprocess.Popen[str]:
    """A process that opens and closes ``count`` positions and tells every answer in a line."""
    return subprocess.Popen(
        [sys.executable, str(WRITER), elsewhere, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
