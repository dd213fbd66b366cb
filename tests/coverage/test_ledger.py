from __future__ import annotations

import numpy as np
import pytest

from barograph.coverage import Ledger
from barograph.gaps import Channel
from barograph.records import Kind
from barograph.rows import ABSENT, Ints, Mask

from .making import BOTH, START_US, Tape, drive, standing, states, us


def steady(feed: str = "binance", minutes: int = 5, every: int = 10) -> Tape:
    """A connection that brings a trade and a quote every few seconds, and is alive in between."""
    tape = Tape(feed)
    tape.subscribe(-0.2)
    for second in range(minutes * 60 + 6):
        if second % every == 0:
            tape.trade(second, second // every)
            tape.quote(second + 0.1)
        else:
            tape.alive(second, second)
    return tape


@pytest.mark.parametrize("feed", ["binance", "polygon-crypto"])
def test_a_connection_that_brings_everything_is_complete_and_the_open_minute_is_not_written(feed: str):
    tape = steady(feed)
    for channel in BOTH:
        found = standing(tape, channel)
        assert {
            m: (r.state, r.messages, r.reason, r.revision) for m, r in found.items() if m >= 0
        } == dict.fromkeys(range(5), ("complete", 6, None, 0))
        assert all(65 <= row.at - row.minute * 60 < 70 for row in found.values())


def test_the_first_minute_is_judged_for_the_part_that_was_asked_for():
    tape = Tape()
    tape.subscribe(20.2)
    tape.trade(20.5, 4)
    tape.alive(21, 90)
    assert [(r.minute, r.state, r.reason) for r in standing(tape).values()] == [
        (0, "complete", "asked for from 12:00:20.5")
    ]


def test_a_minute_without_messages_on_a_living_connection_is_idle():
    tape = Tape()
    tape.subscribe(0)
    tape.trade(1, 7)
    tape.alive(2, 190)
    tape.trade(191, 8)
    tape.alive(192, 260)
    assert states(tape) == {0: "complete", 1: "idle", 2: "idle", 3: "complete"}
    assert states(tape, "quotes") == {0: "idle", 1: "idle", 2: "idle", 3: "idle"}


def test_time_that_nobody_asked_for_is_not_claimed():
    tape = Tape("sim")
    tape.add(0, Kind.OPEN)
    tape.trade(5, 1)
    tape.quote(5.5)
    tape.trade(125, 2)
    tape.add(400, Kind.CLOCK)
    assert states(tape) == {0: "complete", 2: "complete"}
    assert states(tape, "quotes") == {0: "complete"}


def test_ids_show_what_is_missing_on_a_tape_without_subscriptions():
    tape = Tape("sim")
    tape.trade(5, 1)
    tape.trade(65, 5)
    tape.trade(130, 6)
    tape.add(400, Kind.CLOCK)
    found = standing(tape)
    assert {m: r.state for m, r in found.items()} == {0: "missing", 1: "missing", 2: "complete"}
    assert found[0].reason == "ids 2–4 awaited"


def outage(feed: str, *, lost: float = 184.1, back: float = 189.8) -> Tape:
    """Steady until ``lost``; the connection breaks and the next one is proven at ``back``."""
    tape = Tape(feed)
    tape.subscribe(0)
    for second in range(1, int(lost) + 1):
        tape.trade(second, second)
        tape.quote(second)
    tape.quote(lost)
    tape.close(lost + 1)
    tape.subscribe(back - 0.3, "b")
    tape.quote(back, connection="b")
    return tape


def go_on(tape: Tape, first: int, last: int, number: int, connection: str = "b") -> None:
    for k, second in enumerate(range(first, last + 1)):
        tape.trade(second, number + k, connection=connection)
        tape.quote(second + 0.01, connection=connection)


def test_an_outage_takes_quotes_away_with_its_cause_and_length():
    tape = outage("binance")
    go_on(tape, 190, 320, 185)
    found = standing(tape, "quotes")
    assert {m: r.state for m, r in found.items()} == {
        0: "complete", 1: "complete", 2: "complete", 3: "missing", 4: "complete"
    }  # fmt: skip
    assert found[3].reason == "connection lost (1006) 12:03:04.1–12:03:09.8, 5.7 s"


def test_ids_prove_that_nothing_was_lost_over_a_reconnect():
    tape = outage("binance")
    go_on(tape, 190, 320, 185)
    assert set(states(tape).values()) == {"complete"}
    assert drive(tape)[0].gaps() == []


def test_ids_show_what_was_lost_over_a_reconnect_until_it_is_refilled():
    tape = outage("binance")
    go_on(tape, 190, 250, 188)
    ledger, _ = drive(tape)
    found = standing(tape)
    assert found[3].state == "missing"
    assert found[3].reason == "ids 185–187 awaited (connection lost (1006))"
    (gap,) = ledger.gaps()
    assert (gap.first_id, gap.last_id, gap.cause) == (185, 187, "connection lost (1006)")
    assert (gap.first_us, gap.last_us) == (us(184), us(190))
    tape.refill(251, [(185, 185.0), (186, 186.0), (187, 189.0)])
    go_on(tape, 252, 320, 249)
    row = standing(tape)[3]
    assert (row.state, row.reason, row.revision) == ("repaired", "3 rows came by a refill", 1)
    assert drive(tape)[0].gaps() == []


def test_a_hole_spans_the_minutes_between_its_neighbours():
    tape = Tape()
    tape.subscribe(0)
    tape.trade(30, 10)
    tape.alive(31, 200)
    tape.trade(201, 13)
    tape.alive(202, 270)
    assert states(tape) == {0: "missing", 1: "missing", 2: "missing", 3: "missing"}
    tape.refill(271, [(11, 100.0)])
    tape.alive(272, 280)
    found = standing(tape)
    assert {m: r.state for m, r in found.items()} == {
        0: "complete", 1: "missing", 2: "missing", 3: "missing"
    }  # fmt: skip
    assert found[1].reason == "id 12 awaited"
    tape.refill(281, [(12, 130.0)])
    tape.alive(282, 290)
    assert states(tape) == {0: "complete", 1: "repaired", 2: "repaired", 3: "complete"}


def test_what_the_venue_does_not_give_stays_missing_with_its_reason_unless_it_comes_after_all():
    tape = outage("binance")
    go_on(tape, 190, 250, 188)
    (gap,) = drive(tape)[0].gaps()
    tape.missing(251, gap, "the venue keeps only the last minute")
    go_on(tape, 252, 260, 249)
    assert drive(tape)[0].gaps() == []
    row = standing(tape)[3]
    assert row.state == "missing"
    assert row.reason == "ids 185–187 (connection lost (1006)): the venue keeps only the last minute"
    tape.refill(261, [(185, 185.0), (186, 186.0), (187, 189.0)])
    go_on(tape, 262, 270, 258)
    assert standing(tape)[3].state == "repaired"


def test_trades_without_ids_are_judged_by_time_and_refilled_by_time():
    tape = outage("polygon-crypto")
    go_on(tape, 190, 250, 10_000)
    ledger, _ = drive(tape)
    assert standing(tape)[3].state == "missing"
    (gap,) = ledger.gaps()
    assert (gap.first_id, gap.last_id) == (None, None)
    assert gap.first_us < us(184.1) < us(189.8) < gap.last_us
    tape.refill(251, [(77_777, 186.0)])
    tape.missing(251.5, gap)
    go_on(tape, 252, 260, 20_000)
    row = standing(tape)[3]
    assert (row.state, row.messages) == ("repaired", 5 + 1 + 50)
    assert row.reason == "1 row came by a refill"
    assert drive(tape)[0].gaps() == []


def test_an_answer_that_nothing_happened_repairs_a_time_without_ids():
    tape = outage("polygon-crypto")
    go_on(tape, 190, 250, 10_000)
    (gap,) = drive(tape)[0].gaps()
    tape.missing(251, gap)
    go_on(tape, 252, 260, 20_000)
    row = standing(tape)[3]
    assert row.state == "repaired"
    assert row.reason == ("connection lost (1006) 12:03:04.1–12:03:09.8, 5.7 s: asked, nothing was missing")
    assert states(tape, "quotes")[3] == "missing"


def test_a_refill_that_was_refused_leaves_the_time_missing():
    tape = outage("kite")
    go_on(tape, 190, 250, ABSENT)
    (gap,) = drive(tape)[0].gaps()
    tape.missing(251, gap, "Kite has no old trades")
    go_on(tape, 252, 260, ABSENT)
    row = standing(tape)[3]
    assert row.state == "missing"
    assert row.reason == "connection lost (1006) 12:03:04.1–12:03:09.8, 5.7 s: Kite has no old trades"
    assert drive(tape)[0].gaps() == []


def test_overlapping_connections_lose_nothing():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 120)
    tape.subscribe(121, "b")
    tape.alive(122, 130, "b")
    tape.alive(124, 128, "a")
    tape.close(131, reason="replaced")
    tape.alive(132, 200, "b")
    tape.sort()
    assert set(states(tape).values()) == {"idle"}
    assert drive(tape)[0].gaps() == []


def test_a_connection_that_died_before_the_next_was_ready_leaves_the_time_between():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 100)
    tape.silent_until(101, 110, alive=100)
    tape.subscribe(108, "b")
    tape.alive(109, 110, "b")
    tape.close(111, reason="no answer to a ping")
    tape.alive(112, 200, "b")
    tape.sort()
    found = standing(tape)
    assert {m: r.state for m, r in found.items()} == {0: "idle", 1: "missing", 2: "idle"}
    assert found[1].reason == "no answer to a ping 12:01:40.0–12:01:48.9, 8.9 s"


def test_a_crash_is_told_by_the_close_of_the_next_start():
    tape = Tape()
    tape.subscribe(0)
    tape.alive(1, 90)
    tape.close(3_600, reason="the process ended")
    tape.subscribe(3_601, "b")
    tape.quote(3_602, connection="b")
    tape.alive(3_603, 3_700, "b")
    found = standing(tape, "quotes")
    assert found[0].state == "idle"
    assert [found[m].state for m in range(1, 61)] == ["missing"] * 60
    assert {found[m].reason for m in range(1, 61)} == {"the process ended 12:01:29.9–13:00:02.0, 58.5 min"}
    assert all(row.revision == 0 for row in found.values())


def test_an_outage_that_lasts_is_written_while_it_lasts():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 70)
    tape.close(71)
    other = Tape("kraken", tape.names, tape.streams, tape.records, tape.trades, tape.quotes)
    other.subscribe(71.5, "k", wanted={"ETH-USD": BOTH})
    other.alive(72, 300, "k")
    found = standing(tape)
    assert found[2].state == "missing"
    assert found[2].reason == "connection lost (1006) since 12:01:09.9"
    tape.subscribe(301, "b")
    tape.alive(302, 400, "b")
    assert standing(tape)[2].reason == "connection lost (1006) 12:01:09.9–12:05:01.9, 3.9 min"


def test_a_machine_that_died_ends_its_connections_by_their_silence():
    tape = Tape()
    tape.subscribe(0)
    tape.alive(1, 90)
    tape.subscribe(3_601, "b")
    tape.alive(3_602, 3_700, "b")
    assert standing(tape, "quotes")[30].reason == "no sign of life 12:01:29.9–13:00:01.9, 58.5 min"


def test_a_connection_that_is_alive_after_a_long_silence_carries_again():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 90)
    tape.alive(700, 800)
    found = standing(tape)
    assert found[5].state == "missing"
    assert found[5].reason == "no sign of life 12:01:29.9–12:11:39.9, 10.2 min"
    assert found[12].state == "idle"


def test_a_silence_within_bounds_that_ends_in_a_sign_of_life_was_none():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 45)
    tape.silent_until(46, 100, alive=45)
    tape.alive(101, 200)
    assert states(tape) == {0: "idle", 1: "idle", 2: "idle"}


def test_quiet_over_a_reconnect_is_asked_about_and_the_answer_proves_it():
    tape = Tape()
    tape.subscribe(0)
    tape.trade(1, 7)
    tape.alive(2, 90)
    tape.close(91)
    tape.subscribe(92, "b")
    tape.alive(93, 200, "b")
    (gap,) = drive(tape)[0].gaps()
    assert (gap.first_id, gap.last_id) == (8, None)
    assert states(tape)[1] == "missing"
    tape.missing(201, gap)
    tape.alive(202, 210, "b")
    assert states(tape)[1] == "idle"
    assert drive(tape)[0].gaps() == []


def test_a_symbol_that_is_wanted_no_longer_is_not_missing():
    tape = Tape("polygon-crypto")
    tape.subscribe(0, wanted={"BTC-USDT": BOTH, "ETH-USDT": BOTH})
    tape.alive(1, 90)
    tape.configure(90.5, wanted={"BTC-USDT": BOTH})
    tape.alive(91, 300)
    found = standing(tape, symbol="ETH-USDT")
    assert {m: r.state for m, r in found.items()} == {0: "idle", 1: "idle"}
    assert found[1].reason == "asked for until 12:01:30.5"
    assert len(states(tape)) == 4


@pytest.mark.parametrize("away", [20, 7_200])
def test_a_symbol_that_the_next_start_does_not_ask_for_is_not_missing(away: float):
    tape = Tape("polygon-crypto")
    tape.subscribe(0, wanted={"BTC-USDT": BOTH, "ETH-USDT": BOTH})
    tape.alive(1, 90)
    tape.close(91, reason="the recorder was stopped")
    wanted = {"BTC-USDT": BOTH}
    tape.subscribe(91 + away, "b", wanted=wanted, of_feed=wanted)
    tape.alive(92 + away, 300 + away, "b")
    assert states(tape, symbol="ETH-USDT") == {0: "idle", 1: "idle"}
    assert states(tape)[1] == "missing"


def test_a_symbol_that_moves_to_another_connection_is_wanted_all_the_while():
    wanted = {"BTC-USDT": BOTH, "ETH-USDT": BOTH}
    tape = Tape("polygon-crypto")
    tape.subscribe(0, wanted=wanted, of_feed=wanted)
    tape.alive(1, 90)
    tape.configure(90.5, wanted={"BTC-USDT": BOTH}, of_feed=wanted)
    tape.subscribe(93, "b", wanted={"ETH-USDT": BOTH}, of_feed=wanted)
    tape.alive(94, 200, "b")
    found = standing(tape, symbol="ETH-USDT")
    assert found[1].reason == "taken off its connection 12:01:29.9–12:01:33.9, 4.0 s"
    assert found[2].state == "idle"


class Mornings:
    """Open in even minutes of the tape's time."""

    def is_open(self, minute_us: Ints) -> Mask:
        return np.asarray((minute_us - START_US) // 60_000_000 % 2 == 0)


def test_closed_is_neither_idle_nor_missing_unless_something_came():
    calendars = {"BTC-USDT": "XNYS"}
    tape = Tape("polygon-stocks")
    tape.subscribe(0, calendars=calendars)
    tape.alive(1, 100)
    tape.trade(200, ABSENT)
    tape.close(201)
    tape.subscribe(210, "b", calendars=calendars)
    tape.alive(211, 400, "b")
    asked = []

    def calendar_of(name: str) -> Mornings:
        asked.append(name)
        return Mornings()

    found = states(tape, calendar_of=calendar_of)
    assert found == {0: "idle", 1: "closed", 2: "idle", 3: "missing", 4: "idle", 5: "closed"}
    assert asked == ["XNYS"]
    assert states(tape, "quotes", calendar_of=calendar_of)[3] == "closed"
    ledger, _ = drive(tape, calendar_of=calendar_of)
    assert ledger.gaps() == []


def test_a_calendar_that_nobody_knows_counts_as_open():
    from barograph.calendars import calendar

    tape = Tape("polygon-stocks")
    tape.subscribe(0, calendars={"BTC-USDT": "the moon"})
    tape.alive(1, 70)
    assert states(tape, calendar_of=calendar) == {0: "idle"}


def test_a_feed_that_is_behind_is_judged_behind():
    tape = Tape("polygon-stocks")
    tape.subscribe(0, delay_s=900.0)
    tape.alive(1, 100)
    tape.trade(150, ABSENT, ts=-750)
    tape.alive(151, 200)
    found = standing(tape)
    assert {m: r.state for m, r in found.items()} == {
        -15: "idle", -14: "idle", -13: "complete"
    }  # fmt: skip


def test_a_late_row_revises_its_minute():
    tape = steady("polygon-crypto")
    tape.trade(400, 999, ts=70)
    tape.alive(401, 410)
    row = standing(tape)[1]
    assert (row.state, row.messages, row.revision) == ("complete", 7, 1)


def test_a_row_for_a_minute_that_left_memory_is_counted_and_changes_nothing():
    tape = steady("polygon-crypto", minutes=100)
    before = standing(tape)[1]
    tape.trade(6_010, 999, ts=70)
    tape.alive(6_011, 6_020)
    assert standing(tape)[1] == before
    assert drive(tape)[0].state.lost_rows == 1


def test_a_refill_that_comes_hours_later_still_repairs():
    tape = Tape("polygon-crypto")
    tape.subscribe(0)
    tape.alive(1, 70)
    tape.close(71)
    tape.subscribe(600, "b")
    tape.alive(601, 4 * 3_600, "b")
    (gap,) = drive(tape)[0].gaps()
    tape.refill(14_401, [(5, 300.0), (6, 301.0)])
    tape.missing(14_402, gap)
    tape.alive(14_403, 14_410, "b")
    found = standing(tape)
    assert {found[m].state for m in range(1, 10)} == {"repaired"}
    assert found[5].messages == 2
    assert {found[m].state for m in range(11, 200)} == {"idle"}
    ledger, _ = drive(tape)
    assert ledger.state.lost_rows == 0
    assert all(len(series.minutes) < 150 for series in ledger.state.series)


def test_a_series_without_outages_remembers_an_hour_and_no_more():
    ledger, rows = drive(steady("binance", minutes=400, every=20))
    assert len(rows) == 2 * 400
    for series in ledger.state.series:
        assert len(series.minutes) < 80
        assert len(series.past) <= 2


def test_gaps_are_the_same_after_a_restart():
    tape = outage("binance")
    go_on(tape, 190, 250, 188)
    whole, _ = drive(tape)
    saved, _ = drive(tape, range(0, len(tape.records), 17), saved=True)
    assert whole.gaps() == saved.gaps() != []


def muted(symbols: int = 2) -> Tape:
    tape = Tape()
    tape.subscribe(0, wanted={"BTC-USDT": BOTH, "ETH-USDT": (Channel.TRADES,)})
    for second in range(1, 200):
        tape.trade(second, second)
        if second % 40 == 0:
            tape.trade(second + 0.5, second // 40, symbol="ETH-USDT")
        tape.quote(second + 0.6)
    for second in range(200, 400):
        tape.quote(second)
    return tape


def test_a_symbol_that_is_mute_for_unusually_long_is_named_with_the_id_to_ask_for():
    ledger, _ = drive(muted())
    assert ledger.stale(us(230), 60.0) == []
    (gap,) = ledger.stale(us(400), 60.0)
    assert (gap.symbol, gap.channel) == ("BTC-USDT", Channel.TRADES)
    assert (gap.first_id, gap.last_id, gap.first_us) == (200, None, us(199))
    assert gap.last_us == us(199 + 120)
    assert gap.cause == "nothing came for 2.0 min although the connection is alive"


def test_a_symbol_is_not_mute_when_its_connection_is_dead_or_its_market_closed():
    ledger, _ = drive(muted())
    assert ledger.stale(us(600), 60.0) == []

    class Shut:
        def is_open(self, minute_us: Ints) -> Mask:
            return np.asarray(minute_us < us(180))

    tape = muted()
    tape.records[1] = (
        *tape.records[1][:3],
        tape.records[1][3].replace(b'"calendars":{}', b'"calendars":{"BTC-USDT":"XNYS"}'),
    )
    assert drive(tape, calendar_of=lambda name: Shut())[0].stale(us(400), 60.0) == []


def test_a_quiet_symbol_is_measured_by_its_own_habits():
    tape = Tape()
    tape.subscribe(0)
    for k in range(80):
        tape.trade(50 * k + 1, k)
        for step in range(10, 50, 10):
            tape.add(50 * k + 1 + step, Kind.FRAME)
    for second in range(4_000, 4_400, 10):
        tape.add(second, Kind.FRAME)
    ledger, _ = drive(tape)
    assert ledger.stale(us(4_051), 60.0) == []
    assert [gap.symbol for gap in ledger.stale(us(4_395), 60.0)] == ["BTC-USDT"]


def test_rows_stamped_far_ahead_are_not_counted():
    tape = steady("polygon-crypto")
    tape.trade(310, 7, ts=10_000)
    tape.alive(311, 320)
    ledger, _ = drive(tape)
    assert (
        max(minute for series in ledger.state.series for minute in series.minutes) < us(1_000) // 60_000_000
    )


def test_an_earlier_recording_after_a_later_one_is_written_too():
    tape = Tape("sim")
    for start, numbers in ((7_200, 1_000), (0, 10)):
        tape.add(start, Kind.OPEN, f"import-{start}")
        for second in range(0, 300, 10):
            tape.trade(start + second, numbers + second // 10, connection=f"import-{start}")
    tape.add(7_600, Kind.CLOCK)
    found = states(tape)
    assert sorted(found) == [0, 1, 2, 3, 4, 120, 121, 122, 123, 124]
    assert set(found.values()) == {"complete"}


def test_nothing_in_a_payload_makes_it_raise():
    tape = steady(minutes=1)
    for kind in (Kind.CONFIG, Kind.CLOSE, Kind.MISSING, Kind.CLOCK, Kind.OPEN):
        for payload in (b"", b"{", b"[]", b'{"gap":{}}', b'{"wanted":{"A":["x"]}}', b"\xff"):
            tape.add(70, kind, "strange", payload)
    tape.alive(71, 140)
    assert states(tape)[0] == "complete"


def test_a_ledger_given_no_records_gives_no_rows():
    tape = Tape()
    tape.add(0, Kind.CLOCK)
    made = Ledger().advance(tape.run().cut(0, 0), *tape.rows(0, 0), tape.names)
    assert len(made) == 0


def test_a_mute_symbol_that_the_venue_does_not_tell_of_is_not_missing_for_it():
    tape = Tape("kite")
    tape.subscribe(0)
    for second in range(1, 100):
        tape.trade(second, ABSENT)
    tape.alive(100, 400)
    (gap,) = drive(tape)[0].stale(us(400), 60.0)
    assert (gap.first_us, gap.last_us, gap.first_id) == (us(99), us(339), None)
    assert drive(tape)[0].stale(us(401), 60.0) == [gap]
    tape.missing(401, gap, "Kite has no old trades")
    tape.alive(402, 410)
    assert states(tape)[3] == "idle"


def test_a_mute_symbol_whose_trades_come_by_a_refill_is_repaired():
    tape = muted()
    (gap,) = drive(tape)[0].stale(us(400), 60.0)
    tape.refill(401, [(200, 250.0), (201, 270.0)])
    tape.missing(401.5, gap)
    for second in range(402, 410):
        tape.quote(second)
    found = standing(tape)
    assert found[4].reason == "2 rows came by a refill"
    assert {found[m].state for m in (1, 2, 3, 5)} == {"complete", "idle"}
