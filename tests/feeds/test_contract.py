"""What every feed must hold, whatever its venue; samples in ``samples/``, one file a feed."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from barograph import snapshot
from barograph.errors import UsageError
from barograph.feeds.feed import Feed
from barograph.feeds.registry import feed, names
from barograph.feeds.times import END_US
from barograph.records import Kind, Records, Stream
from barograph.rows import ABSENT, Decoded, columns

START_NS = 1_723_161_255_000_000_000
STEP_NS = 5_000_000
FEEDS = pytest.mark.parametrize("name", names())
MODEST = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Samples:
    """What ``samples/<feed>.py`` gives."""

    first: list[bytes]
    frames: list[bytes]
    rests: list[bytes]


@cache
def samples(name: str) -> Samples:
    path = Path(__file__).parent / "samples" / f"{name.replace('-', '_')}.py"
    spec = importlib.util.spec_from_file_location(f"samples_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Samples(getattr(module, "FIRST", []), module.FRAMES, module.RESTS)


def tape(name: str, entries: list[tuple[Kind, int, bytes]], start_ns: int = START_NS) -> Records:
    """Records of ``name`` (kind, connection, payload), each after one of another feed."""
    entries = [(Kind.REST, 0, payload) for payload in samples(name).first] + entries
    streams = [Stream("other", "x"), Stream(name, "0"), Stream(name, "1")]
    n = 2 * len(entries)
    kind = np.full(n, Kind.FRAME, dtype=np.uint8)
    stream = np.zeros(n, dtype=np.uint32)
    kind[1::2] = [entry[0] for entry in entries]
    stream[1::2] = [entry[1] + 1 for entry in entries]
    payloads = [b"of another feed"] * n
    payloads[1::2] = [entry[2] for entry in entries]
    recv_ns = start_ns + np.arange(n, dtype=np.int64) * STEP_NS
    return Records(1_000, recv_ns, kind, stream, streams, payloads)


def decode_frames(of: Feed, payloads: list[bytes], start_ns: int = START_NS) -> Decoded:
    records = tape(of.name, [(Kind.FRAME, 0, payload) for payload in payloads], start_ns)
    state = of.state()
    lead = 2 * len(samples(of.name).first)
    of.decode(state, records.cut(0, lead).of(of.name))
    return of.decode(state, records.cut(lead, len(records)).of(of.name))


def symbols_after(of: Feed, payload: bytes) -> list[str]:
    state = of.state()
    of.decode(state, tape(of.name, [(Kind.FRAME, 0, payload)]).of(of.name))
    symbols: list[str] = state.symbols
    return symbols


def row_count(decoded: Decoded) -> int:
    return len(decoded.ticks) + len(decoded.quotes) + len(decoded.marks) + len(decoded.candles)


CONTROLS = [
    (Kind.OPEN, b'{"url":"wss://example.test/stream"}'),
    (Kind.CLOSE, b'{"reason":"1001"}'),
    (Kind.CLOCK, b""),
    (Kind.SENT, b'{"method":"SUBSCRIBE"}'),
    (Kind.CONFIG, b"{}"),
]


def entries(name: str) -> st.SearchStrategy[list[tuple[Kind, int, bytes]]]:
    """Tapes: good frames, mutated ones, refills and control records on two connections."""
    given_ = samples(name)
    frame = st.tuples(st.just(Kind.FRAME), st.sampled_from(given_.frames))
    broken = st.tuples(st.just(Kind.FRAME), mutated(given_.frames))
    kinds = [frame, frame, frame, broken, st.sampled_from(CONTROLS)]
    if given_.rests:
        kinds.append(st.tuples(st.just(Kind.REST), st.sampled_from(given_.rests)))
    entry = st.tuples(st.one_of(kinds), st.integers(0, 1)).map(lambda e: (e[0][0], e[1], e[0][1]))
    return st.lists(entry, max_size=25)


POISONS = [
    b'"\\ud800"',
    b"99999999999999999999999999999",
    b"-1",
    b"1e999",
    b'"NaN"',
    b'"inf"',
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"\xff\xfe",
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b"32503680000000",
    b'"3000-01-01T00:00:00Z"',
    b'"1900-01-01T00:00:00Z"',
]
VALUE = re.compile(rb'(?<=[:,\[])("[^"]*"|-?[0-9.]+|true|false|null)')


@st.composite
def mutated(draw: st.DrawFn, frames: list[bytes]) -> bytes:
    """A real frame that something happened to."""
    frame = draw(st.sampled_from(frames))
    at = draw(st.integers(0, len(frame) - 1))
    upto = draw(st.integers(at, min(len(frame), at + 12)))
    noise = draw(st.binary(min_size=1, max_size=8))
    ways = [
        frame[:at],
        frame[:at] + frame[upto:],
        frame[:upto] + frame[at:],
        frame[:at] + bytes([frame[at] ^ noise[0]]) + frame[at + 1 :],
        frame[:at] + noise + frame[at:],
        frame + draw(st.sampled_from([b"", b",", b"\n"])) + frame,
    ]
    if values := list(VALUE.finditer(frame)):
        value = draw(st.sampled_from(values))
        ways += 3 * [frame[: value.start()] + draw(st.sampled_from(POISONS)) + frame[value.end() :]]
    return draw(st.sampled_from(ways))


def check(decoded: Decoded, symbols: list[str], records: int) -> None:
    """What holds for whatever a decoder gives."""
    for rows in (decoded.ticks, decoded.quotes, decoded.marks, decoded.candles):
        expected = columns(type(rows), record=[])
        for column in fields(rows):
            values = getattr(rows, column.name)
            assert values.dtype == getattr(expected, column.name).dtype, column.name
            assert len(values) == len(rows)
        assert (np.diff(rows.record) >= 0).all()
        assert all(0 <= record < records for record in rows.record.tolist())
    for rows in (decoded.ticks, decoded.quotes, decoded.candles):
        assert all(0 <= code < len(symbols) for code in rows.instrument.tolist())
    for rows in (decoded.ticks, decoded.quotes, decoded.marks):
        assert ((rows.ts_us > 0) & (rows.ts_us < END_US)).all()
    ticks, quotes = decoded.ticks, decoded.quotes
    assert np.isfinite(ticks.price).all()
    assert np.isfinite(ticks.size).all()
    assert np.isin(ticks.side, (-1, 0, 1)).all()
    assert (ticks.trade_id >= ABSENT).all()
    assert np.isfinite(quotes.bid_price).all()
    assert np.isfinite(quotes.ask_price).all()
    assert not np.isinf(quotes.bid_size).any()
    assert not np.isinf(quotes.ask_size).any()
    assert [r.record for r in decoded.rejects] == sorted(r.record for r in decoded.rejects)
    for reject in decoded.rejects:
        assert 0 <= reject.record < records
        assert reject.reason
        assert "\0" not in reject.reason + reject.excerpt
        (reject.reason + reject.excerpt).encode()
        assert len(reject.reason) <= 300
        assert len(reject.excerpt) <= 300
    assert all(kind and times > 0 for kind, times in decoded.unknown.items())
    assert len(set(symbols)) == len(symbols)


@FEEDS
def test_the_registry_gives_the_feed_by_its_name(name: str) -> None:
    found = feed(name)
    assert found.name == name
    assert found.describe
    assert issubclass(found.state, msgspec.Struct)


def test_an_unknown_feed_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"'binanse'.*did you mean 'binance'.*coinbase"):
        feed("binanse")


@FEEDS
def test_the_samples_are_readable_and_give_rows(name: str) -> None:
    of = feed(name)
    given_ = samples(name)
    decoded = decode_frames(of, given_.frames)
    assert decoded.rejects == []
    rests = tape(name, [(Kind.REST, 0, payload) for payload in given_.rests])
    assert row_count(decoded) + row_count(of.decode(of.state(), rests.of(name))) > 0


@FEEDS
def test_symbols_are_canonical(name: str) -> None:
    of = feed(name)
    state = of.state()
    records = tape(name, [(Kind.FRAME, 0, payload) for payload in samples(name).frames])
    of.decode(state, records.of(name))
    for symbol in state.symbols:
        # Imported candles say whose they are: "binance|BTC-USDT".
        assert re.fullmatch(r"([a-z\-]+\|)?[A-Za-z0-9&.:_\-]+( [A-Za-z0-9]+)*", symbol), symbol
    assert sorted(set(state.codes.values())) == list(range(len(state.symbols)))


@FEEDS
@MODEST
@given(data=st.data())
def test_any_cutting_and_saving_gives_the_same_rows(name: str, data: st.DataObject, tools) -> None:
    of = feed(name)
    records = tape(name, data.draw(entries(name)))
    cuts = data.draw(st.lists(st.integers(0, len(records)), max_size=8))
    whole = tools.decode_in_pieces(of, records, [])
    assert tools.decode_in_pieces(of, records, cuts) == whole
    assert tools.decode_in_pieces(of, records, range(1, len(records))) == whole


@FEEDS
@MODEST
@given(data=st.data())
def test_nothing_raises_and_what_comes_out_is_sound(name: str, data: st.DataObject) -> None:
    of = feed(name)
    records = tape(name, data.draw(entries(name)))
    state = of.state()
    check(of.decode(state, records.of(name)), state.symbols, len(records))
    assert snapshot.pack(snapshot.unpack(snapshot.pack(state), of.state)) == snapshot.pack(state)


@FEEDS
@MODEST
@given(data=st.data())
def test_a_broken_refill_never_raises(name: str, data: st.DataObject) -> None:
    of = feed(name)
    sources = samples(name).rests + samples(name).first
    if not sources:
        return
    payload = data.draw(st.one_of(mutated(sources), st.binary(max_size=80)))
    records = tape(name, [(Kind.REST, 0, payload)])
    state = of.state()
    check(of.decode(state, records.of(name)), state.symbols, len(records))


@FEEDS
@MODEST
@given(data=st.data())
def test_every_frame_is_accounted_for(name: str, data: st.DataObject) -> None:
    of = feed(name)
    frame = data.draw(st.one_of(st.binary(max_size=60), mutated(samples(name).frames)))
    decoded = decode_frames(of, [frame])
    assert row_count(decoded) + sum(decoded.unknown.values()) + len(decoded.rejects) > 0


@FEEDS
@pytest.mark.parametrize("poison", POISONS)
def test_every_value_of_every_frame_may_be_wrong(name: str, poison: bytes) -> None:
    of = feed(name)
    for frame in samples(name).frames:
        bad = [frame[: v.start()] + poison + frame[v.end() :] for v in VALUE.finditer(frame)]
        records = tape(name, [(Kind.FRAME, 0, payload) for payload in bad])
        state = of.state()
        check(of.decode(state, records.of(name)), state.symbols, len(records))


@FEEDS
def test_a_bad_frame_among_many_rejects_only_itself(name: str, tools) -> None:
    of = feed(name)
    frames = samples(name).frames
    clean = tools.outcome([(0, decode_frames(of, frames))])
    tried = 0
    for bad in (frame[:-3] for frame in frames):
        alone = decode_frames(of, [bad])
        if row_count(alone) or alone.unknown or len(alone.rejects) != 1 or symbols_after(of, bad):
            continue  # a part of it could be read
        tried += 1
        after = decode_frames(of, [*frames, bad])
        assert {r.record for r in after.rejects} == {2 * len(frames) + 1}
        assert tools.outcome([(0, after)]) | {"rejects": []} == clean
        before = decode_frames(of, [bad, *frames], START_NS - 2 * STEP_NS)
        assert {r.record for r in before.rejects} == {1}
        assert tools.outcome([(-2, before)]) | {"rejects": []} == clean
    assert tried
