"""The server's log: every event, however they come, and a file that survives its writer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from barograph.clock import MINUTE_US
from barograph.gaps import Channel
from barograph.testing import Event, Quote, ServerLog, Trade
from barograph.testing.log import cut, read_events

SYMBOLS = ("A-USD", "B-USD")


def trade(number: int, symbol: str = "A-USD", ts_us: int = 0) -> Trade:
    return Trade(symbol, number, ts_us, "1", "1", 1)


def quote(number: int, symbol: str = "A-USD", ts_us: int = 0) -> Quote:
    return Quote(symbol, number, ts_us, "1", "1", "2", "1")


events = st.lists(
    st.builds(
        lambda make, symbol, number, ts_us: make(number, symbol, ts_us),
        st.sampled_from([trade, quote]),
        st.sampled_from(SYMBOLS),
        st.integers(0, 6),
        st.integers(0, 3 * MINUTE_US),
    ),
    max_size=30,
)


def key(event: Event) -> tuple[str, Channel, int]:
    channel = Channel.TRADES if isinstance(event, Trade) else Channel.QUOTES
    return event.symbol, channel, event.ts_us - event.ts_us % MINUTE_US


@given(events)
def test_spans_hold_exactly_the_events(made: list[Event]) -> None:
    held = Counter(
        (span.symbol, span.channel, span.minute_us, number)
        for span in cut(made, 1)
        for number in range(span.first, span.last + 1)
    )
    assert held == Counter((*key(event), event.number) for event in made)


@given(st.lists(events, max_size=5))
def test_counts_are_of_events_made_and_of_different_events_handed(batches: list[list[Event]]) -> None:
    log = ServerLog()
    for at, batch in enumerate(batches):
        log.made(batch, at)
        log.handed(at % 2, batch, at)
    every = [event for batch in batches for event in batch]
    assert log.counts_made() == Counter(map(key, every))
    different = {(*key(event), event.number) for event in every}
    assert log.counts_handed() == Counter(name[:3] for name in different)
    evens = [event for batch in batches[::2] for event in batch]
    assert log.counts_handed(0) == Counter(map(key, evens))


def test_consecutive_batches_of_a_minute_are_one_span() -> None:
    log = ServerLog()
    log.made([trade(1), trade(2)], 10)
    log.made([trade(3)], 20)
    log.made([trade(5)], 30)
    spans = log.spans_made("A-USD", Channel.TRADES)
    assert [(span.first, span.last, span.first_ns, span.last_ns) for span in spans] == [
        (1, 3, 10, 20), (5, 5, 30, 30),
    ]  # fmt: skip


def test_what_was_handed_to_nobody_is_told() -> None:
    log = ServerLog()
    log.made([trade(n) for n in range(1, 6)], 1)
    log.handed(1, [trade(1), trade(2)], 1)
    log.handed(2, [trade(2), trade(4)], 1)
    assert log.never_handed("A-USD", Channel.TRADES) == [3, 5]
    assert log.numbers_handed("A-USD", Channel.TRADES, connection=2) == {2, 4}
    assert log.never_handed("B-USD", Channel.TRADES) == []


def test_notes_are_kept_by_kind() -> None:
    log = ServerLog()
    log.note(1, "opened", 3, path="/ws")
    log.note(2, "ended", 3)
    assert [(note.connection, note.detail) for note in log.noted("opened")] == [(3, {"path": "/ws"})]
    assert log.summary()["notes"][1]["what"] == "ended"


def test_the_file_has_every_event_and_goes_on_in_the_next_life(tmp_path: Path) -> None:
    file = tmp_path / "server.jsonl"
    for batch in ([trade(1), quote(1)], [trade(2)]):
        log = ServerLog(file)
        log.made(batch, 1)
        log.handed(1, batch, 1)
        log.note(2, "fault", act="drop")
        log.close()
    assert list(read_events(file)) == [trade(1), quote(1), trade(2)]


def test_a_last_line_that_a_kill_has_cut_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "server.jsonl"
    log = ServerLog(file)
    log.made([trade(1)], 1)
    log.made([trade(2)], 1)
    log.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    assert list(read_events(file)) == [trade(1)]


def test_the_next_life_does_not_go_on_in_a_line_that_a_kill_has_cut(tmp_path: Path) -> None:
    file = tmp_path / "server.jsonl"
    for number in (1, 2):
        log = ServerLog(file)
        log.made([trade(number)], 1)
        log.close()
        with file.open("ab") as cut:
            cut.write(b'{"at_ns":1,"trades":[["BTC-')
    assert list(read_events(file)) == [trade(1), trade(2)]
