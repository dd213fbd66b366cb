"""What every live description must hold, whatever its venue; samples in ``samples/``, one module a feed."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from barograph.errors import SettingsError
from barograph.feeds.live.registry import live, names
from barograph.feeds.live.venue import (
    Again,
    Conversation,
    Limits,
    Live,
    Plan,
    Ready,
    Refilled,
    Refilling,
    Refused,
    Replace,
    Request,
    Response,
    Send,
    Stop,
    Warn,
)
from barograph.feeds.registry import feed
from barograph.gaps import Channel, Gap
from barograph.records import Kind
from barograph.settings import Settings

FEEDS = pytest.mark.parametrize("name", names())
START_NS = 1_723_161_255_000_000_000
SECOND_NS = 1_000_000_000
ACTIONS = (Send, Ready, Warn, Replace, Again, Stop)


@cache
def sample(name: str) -> ModuleType:
    path = Path(__file__).parent / "samples" / f"{name.replace('-', '_')}.py"
    if not path.exists():
        pytest.fail(f"{name} has no samples at {path}")
    spec = importlib.util.spec_from_file_location(f"live_samples_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ask(generator: Any, answer: Callable[[Request], bytes]) -> tuple[list[tuple[Request, bytes]], Any]:
    """Run a generator of requests to its end: what was asked and answered, and its result."""
    told: list[tuple[Request, bytes]] = []
    try:
        request = next(generator)
        while True:
            body = answer(request)
            told.append((request, body))
            assert len(told) < 100, "it asks for ever"
            request = generator.send(Response(200, body))
    except StopIteration as end:
        return told, end.value


def prepared(name: str) -> Live:
    described = live(name, Settings(**sample(name).SETTINGS))
    ask(described.prepare(), sample(name).answer)
    return described


def sends(actions: Sequence[Any]) -> list[bytes]:
    return [action.frame for action in actions if isinstance(action, Send)]


def turns(name: str, talk: Conversation) -> Iterator[list[Any]]:
    """The actions of each turn, from the opening until nothing is left to answer."""
    actions = list(talk.opened(START_NS))
    waiting = [*sample(name).GREETING, *(f for sent in sends(actions) for f in sample(name).replies(sent))]
    yield actions
    while waiting:
        frame, *waiting = waiting
        actions = list(talk.received([frame], START_NS))
        waiting += [f for sent in sends(actions) for f in sample(name).replies(sent)]
        yield actions


def talking(name: str) -> tuple[Plan, Conversation]:
    """A conversation that is ready."""
    described = prepared(name)
    plan = described.plans()[0]
    talk = described.conversation(plan)
    for _ in turns(name, talk):
        pass
    return plan, talk


@FEEDS
def test_without_symbols_a_feed_is_refused_and_the_setting_named(name: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sample(name).SETTING)):
        live(name, Settings(**sample(name).WITHOUT_SYMBOLS))


@FEEDS
def test_a_description_has_its_name_and_bearable_limits(name: str) -> None:
    described = prepared(name)
    limits = described.limits
    assert described.name == name
    assert isinstance(limits, Limits)
    assert limits.ready_within_s > 0
    assert limits.ping_s is None or limits.ping_s < limits.silent_s
    assert limits.lifetime_s is None or limits.lifetime_s > limits.overlap_s + limits.ready_within_s
    for most, seconds in (limits.connects, limits.sends, limits.requests):
        assert most >= 1
        assert seconds > 0


@FEEDS
def test_plans_bring_each_wanted_symbol_once_and_are_the_same_each_time(name: str) -> None:
    described = prepared(name)
    plans = described.plans()
    symbols = [symbol for plan in plans for symbol in plan.wanted]
    assert plans == described.plans() == prepared(name).plans()
    assert len({plan.name for plan in plans}) == len(plans) > 0
    assert len(symbols) == len(set(symbols)) > 1
    assert all(set(channels) <= set(Channel) and channels for p in plans for channels in p.wanted.values())
    assert all(plan.url.startswith(("ws://", "wss://", "sim:")) for plan in plans)
    assert {described.calendar(symbol) for symbol in symbols} <= {"24/7", "XNYS-extended", "XBOM"}


@FEEDS
def test_a_conversation_is_ready_once_and_not_before_the_last_confirmation(name: str) -> None:
    described = prepared(name)
    for plan in described.plans():
        found = [
            sum(isinstance(a, Ready) for a in turn) for turn in turns(name, described.conversation(plan))
        ]
        assert sum(found) == 1
        if sample(name).CONFIRMS:
            assert found[-1] == 1


@FEEDS
def test_nothing_is_ready_before_the_venue_confirms_however_long_it_takes(name: str) -> None:
    if not sample(name).CONFIRMS:
        return
    described = prepared(name)
    talk = described.conversation(described.plans()[0])
    actions = [*talk.opened(START_NS), *talk.received(sample(name).GREETING, START_NS)]
    for second in range(1, 120):
        actions += talk.due(START_NS + second * SECOND_NS)
    assert sends(actions)
    assert not any(isinstance(action, Ready) for action in actions)


@FEEDS
def test_when_all_is_confirmed_time_passing_asks_for_nothing_new(name: str) -> None:
    _, talk = talking(name)
    for second in range(1, 60):
        now_ns = START_NS + second * SECOND_NS
        assert talk.received(sample(name).DATA, now_ns) == []
        assert talk.due(now_ns) == []


@FEEDS
def test_data_is_passed_over_without_being_parsed(name: str) -> None:
    _, talk = talking(name)
    binary = any(not frame.startswith(b"{") for frame in sample(name).DATA)
    # Texts between binary frames are the venue's news, which is read; they are few.
    frames = [frame for frame in sample(name).DATA if not (binary and frame.startswith(b"{"))] * 500
    calls = calls_in(lambda: talk.received(frames, START_NS))
    assert calls.total() < 1.1 * len(frames)  # one look at a frame's head, and no more
    assert not {"decode", "loads", "unpack", "frombuffer"} & calls.keys()
    assert talk.received(frames, START_NS) == []


def calls_in(action: Callable[[], object]) -> Counter[str]:
    """How often each function, of Python or compiled, is called by the action."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, arg: Any) -> None:
        if event in ("call", "c_call"):
            calls[frame.f_code.co_name if event == "call" else arg.__name__] += 1

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


@FEEDS
def test_a_reload_asks_only_for_what_differs(name: str) -> None:
    plan, talk = talking(name)
    before = dict(plan.wanted)
    channels = next(iter(before.values()))
    assert talk.change(before, START_NS) == []
    more = sends(talk.change(before | {sample(name).OTHER: channels}, START_NS))
    assert more
    back = sends(talk.change(before, START_NS))
    assert back
    assert not set(more) & set(back)
    assert talk.change(before, START_NS) == []


@FEEDS
def test_a_mute_symbol_is_subscribed_anew_and_an_unknown_one_is_not(name: str) -> None:
    plan, talk = talking(name)
    symbol, channels = next(iter(plan.wanted.items()))
    assert sends(talk.renew(symbol, channels[0], START_NS))
    assert not sends(talk.renew("NO-SUCH", channels[0], START_NS))


POISONS = [b"null", b"[]", b"{}", b'""', b"-1", b"1e999", b'"\\ud800"', b"[" * 5_000, b'{"a":' * 5_000]
VALUE = re.compile(rb'(?<=[:,\[])("[^"]*"|-?[0-9.]+|true|false|null)')


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A frame that something happened to, or none at all."""
    frame = draw(st.sampled_from([*sample(name).CONTROL, *sample(name).DATA]))
    at = draw(st.integers(0, len(frame)))
    noise = draw(st.binary(max_size=8))
    ways = [frame, noise, frame[:at], frame[:at] + noise + frame[at:], noise + frame]
    if values := list(VALUE.finditer(frame)):
        value = draw(st.sampled_from(values))
        ways += 3 * [frame[: value.start()] + draw(st.sampled_from(POISONS)) + frame[value.end() :]]
    return draw(st.sampled_from(ways))


@FEEDS
def test_no_frame_makes_a_conversation_raise(name: str) -> None:
    described = prepared(name)
    plan = described.plans()[0]

    @hypothesis_settings(max_examples=60, deadline=None)
    @given(st.lists(damaged(name), max_size=8))
    def scenario(frames: list[bytes]) -> None:
        talk = described.conversation(plan)
        actions = [*talk.opened(START_NS), *talk.received(frames, START_NS)]
        actions += [*talk.due(START_NS + 20 * SECOND_NS), *talk.change({}, START_NS)]
        assert all(isinstance(action, ACTIONS) for action in actions)
        told = [a for a in actions if not isinstance(a, Send)]
        assert not any(secret in str(told) for secret in sample(name).SECRETS)

    scenario()


@FEEDS
def test_every_way_to_end_means_again_or_stop_and_says_why(name: str) -> None:
    described = prepared(name)
    codes = [None, 1000, 1001, 1006, 1008, 1009, 1011, 1012, 1013, 4000]
    ends = [described.closed(code, "Too many requests") for code in codes]
    ends += [
        described.refused(status, b"\xff<html>") for status in (400, 401, 403, 404, 418, 429, 451, 500, 503)
    ]
    for end in ends:
        assert isinstance(end, (Again, Stop))
        assert end.reason if isinstance(end, Again) else end.message
    too_many = described.refused(429, b"")
    assert isinstance(too_many, Stop) or too_many.wait_s >= 10


@FEEDS
def test_quotes_are_never_asked_for_again(name: str) -> None:
    symbol = next(iter(prepared(name).plans()[0].wanted))
    gap = Gap(name, symbol, Channel.QUOTES, START_NS // 1000, START_NS // 1000 + 5_000_000)
    told, result = ask(prepared(name).refill(gap), sample(name).answer)
    assert told == []
    assert result.missing


@FEEDS
def test_a_refill_brings_every_trade_of_the_gap_through_the_decoder(name: str, tools: Any) -> None:
    gap: Gap | None = sample(name).GAP
    if gap is None:
        return
    told, result = ask(prepared(name).refill(gap), sample(name).answer)
    assert result == Refilled()
    payloads = [tools.rest(request.url, body) for request, body in told]
    of = feed(name)
    state = of.state()
    ticks = of.decode(state, tools.frames_of(payloads, kinds=[Kind.REST] * len(payloads))).ticks
    ids = set(ticks.trade_id.tolist())
    if gap.first_id is not None and gap.last_id is not None:
        ids = {number for number in ids if gap.first_id <= number <= gap.last_id}
    assert len(ids) == sample(name).IN_GAP
    assert state.symbols == [gap.symbol]
    assert all(1 <= r.weight <= prepared(name).limits.requests[0] for r, _ in told)
    assert not any(secret in repr(told) for secret in sample(name).SECRETS)


@FEEDS
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b'{"result":3}', b"[" * 5_000, b"\xff"])
def test_a_refill_of_an_unreadable_answer_ends_with_what_is_missing(name: str, body: bytes) -> None:
    if sample(name).GAP is not None:
        _, result = ask(prepared(name).refill(sample(name).GAP), lambda _: body)
        assert result.missing


@FEEDS
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
def test_a_refused_refill_ends_with_the_reason(name: str, status: int) -> None:
    if sample(name).GAP is not None:
        refilling: Refilling = prepared(name).refill(sample(name).GAP)
        next(refilling)
        with pytest.raises(StopIteration) as end:
            refilling.throw(Refused(status, b'{"code":-1121,"msg":"Invalid symbol."}'))
        assert str(status) in end.value.value.missing


@FEEDS
def test_secrets_are_in_nothing_that_is_shown(name: str) -> None:
    described = prepared(name)
    shown = f"{described!r} {described.plans()!r} {described.conversation(described.plans()[0])!r}"
    for secret in sample(name).SECRETS:
        assert secret not in shown
    assert "://" not in repr(described.plans())
    assert msgspec.json.encode(described.plans()[0].wanted)
