"""A session's every turn, without a socket: what goes in, what is to be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from structlog.testing import capture_logs

from barograph.feeds.live.venue import Limits
from barograph.gaps import Channel
from barograph.recorder.live.backoff import Allowance, Backoff
from barograph.recorder.live.commands import (
    Close,
    Command,
    Configure,
    Connect,
    Halt,
    Moment,
    Notify,
    Ping,
    Transmit,
)
from barograph.recorder.live.session import Session

from .echo import BOTH, READY, EchoLive

LIMITS = Limits(
    ready_within_s=10.0,
    silent_s=30.0,
    ping_s=10.0,
    lifetime_s=None,
    overlap_s=5.0,
    connects=(1000, 1.0),
    sends=(5, 1.0),
)
WANTED = {"BTC-USD": BOTH}


class Half(Random):
    """Draws the middle."""

    def random(self) -> float:
        return 0.5


class Noting(Backoff):
    """Remembers the last wait that it gave."""

    wait_s = 0.0

    def failed(self, asked_s: float = 0.0) -> float:
        self.wait_s = super().failed(asked_s)
        return self.wait_s


@dataclass
class House:
    """A session with time in the test's hand."""

    limits: Limits = LIMITS
    at_s: float = 1000.0
    random: Random = field(default_factory=Half)

    def __post_init__(self) -> None:
        self.live = EchoLive("ws://x", {"spot-0": WANTED}, self.limits)
        self.backoff = Noting(1.0, 60.0, 30.0, self.random)
        connects = Allowance(*self.limits.connects)
        self.session = Session(self.live, self.live.plans()[0], self.backoff, connects)

    @property
    def now(self) -> Moment:
        return Moment(self.at_s, int(self.at_s * 1e9))

    def advance(self, later_s: float = 0.0) -> list[Command]:
        self.at_s += later_s
        return self.session.advance(self.now)

    def say(self, number: int, *frames: bytes) -> list[Command]:
        self.session.received(number, frames, self.now)
        return self.advance()

    def closed(self, number: int, code: int | None = 1006) -> list[Command]:
        self.session.closed(number, code, "", self.now)
        return self.advance()

    def open(self, number: int = 1) -> list[Command]:
        self.session.opened(number, self.now)
        return self.advance()

    def until(self, kind: type[Command], within_s: float) -> Command:
        """Go on, each second and when it wants to be woken, until it says something of ``kind``."""
        end_s = self.at_s + within_s
        while self.at_s < end_s:
            self.at_s = max(self.at_s, min(self.session.wake_s, self.at_s + 1.0))
            for command in self.advance():
                if isinstance(command, kind):
                    return command
        raise AssertionError(f"no {kind.__name__} within {within_s} s")

    def quiet(self, seconds: int, *talking: int) -> list[Command]:
        """Let time pass while the connections ``talking`` bring data each second."""
        said = []
        for _ in range(seconds):
            self.at_s += 1.0
            for number in talking:
                self.session.received(number, [b"data"], self.now)
            said += self.advance()
        return said


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def ready(house: House) -> House:
    house.advance()
    house.open()
    house.say(1, READY)
    return house


def test_it_connects_at_once_and_only_once(house: House) -> None:
    assert house.session.wake_s <= house.at_s
    (connect,) = house.advance()
    assert isinstance(connect, Connect)
    assert connect.number == 1
    assert house.advance(100.0) == []


def test_an_open_connection_notes_what_it_brings_before_it_asks_for_it(house: House) -> None:
    house.advance()
    configure, transmit = house.open()
    assert configure == Configure(1, WANTED)
    assert isinstance(transmit, Transmit)
    assert b"subscribe" in transmit.frame


def test_it_is_ready_when_the_venue_has_confirmed(house: House) -> None:
    house.advance()
    house.open()
    assert not house.session.ready
    house.say(1, b"hello", READY)
    assert house.session.ready
    assert house.session.connections == 1


def test_given_no_confirmation_in_time_it_closes_and_connects_again(house: House) -> None:
    house.advance()
    house.open()
    close = house.until(Close, 11)
    assert close == Close(1, "not ready within 10 s", 1000)
    assert house.at_s == pytest.approx(1010.0)
    assert house.advance(20.0) == []  # not before it is gone
    assert house.closed(1) == []
    assert house.until(Connect, 2).number == 2  # type: ignore[union-attr]


def test_given_silence_it_pings_and_then_gives_the_connection_up(ready: House) -> None:
    pings = [command for command in ready.quiet(29) if isinstance(command, Ping)]
    assert len(pings) == 2
    assert ready.until(Close, 2) == Close(1, "nothing came for 30 s", 1000)


def test_a_pong_is_a_sign_of_life(ready: House) -> None:
    for _ in range(10):
        assert isinstance(ready.until(Ping, 11), Ping)
        ready.session.received(1, (), ready.now)
    assert ready.session.ready


def test_data_needs_no_ping(ready: House) -> None:
    assert ready.quiet(100, 1) == []


def test_our_own_standstill_is_not_the_venues_silence(ready: House) -> None:
    assert ready.advance(3600.0) == []
    assert ready.session.ready


def test_while_the_sockets_are_held_nobody_is_silent(ready: House) -> None:
    ready.session.hold(True, ready.now)
    assert ready.quiet(100) == []
    ready.session.hold(False, ready.now)
    assert not [command for command in ready.quiet(29) if isinstance(command, Close)]
    assert isinstance(ready.until(Close, 2), Close)


def test_waits_grow_while_connections_fail(house: House) -> None:
    waits = []
    for number in range(1, 9):
        before_s = house.at_s
        house.until(Connect, 61)
        waits.append(house.at_s - before_s)
        house.session.failed(number, "refused", house.now)
    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 30]


def test_a_connection_that_breaks_at_once_is_a_failure(house: House) -> None:
    for number in range(1, 6):
        house.until(Connect, 61)
        house.open(number)
        house.say(number, READY)
        house.closed(number)
    assert house.session.wake_s - house.at_s == 8.0


def test_after_sustained_data_the_wait_is_short_again(house: House) -> None:
    for number in range(1, 6):
        house.until(Connect, 61)
        house.session.failed(number, "refused", house.now)
    house.until(Connect, 61)
    house.open(6)
    house.say(6, READY)
    house.quiet(40, 6)
    house.closed(6, 1001)
    assert house.session.wake_s - house.at_s == 0.5


def test_a_venues_wait_is_kept(ready: House) -> None:
    assert ready.say(1, b"again") == [Close(1, "told to", 1000)]
    ready.closed(1, 1000)
    assert ready.session.wake_s - ready.at_s == 0.5


@pytest.mark.parametrize("how", ["stop frame", "close code", "refusal"])
def test_given_a_final_no_it_halts_and_never_connects_again(house: House, how: str) -> None:
    house.advance()
    if how == "refusal":
        house.session.refused(1, 401, b"", house.now)
        said = house.advance()
        assert said == [Halt("feeds.echo.key is wrong")]
    else:
        house.open()
        if how == "stop frame":
            said = house.say(1, b"stop")
            assert said == [Halt("set feeds.echo.key"), Close(1, "set feeds.echo.key", 1000)]
            house.closed(1)
        else:
            assert house.closed(1, 1008) == [Halt("too many connections")]
    assert house.session.finished
    assert house.session.wake_s == float("inf")
    assert house.advance(1e6) == []


def test_a_busy_venue_is_tried_again(house: House) -> None:
    house.advance()
    house.session.refused(1, 503, b"", house.now)
    assert isinstance(house.until(Connect, 2), Connect)


def test_before_its_lifetime_ends_a_connection_is_replaced_with_an_overlap() -> None:
    house = House(replace(LIMITS, lifetime_s=86_400.0))
    house.advance()
    house.open()
    house.say(1, READY)
    said = house.quiet(86_400 - 75, 1)
    assert [type(command) for command in said] == [Connect]
    house.open(2)
    house.say(2, READY)
    assert house.session.connections == 2
    assert house.quiet(4, 1, 2) == []
    assert house.quiet(1, 1, 2) == [Close(1, "replaced: the venue cuts connections after 86400 s", 1000)]
    assert house.session.connections == 1
    house.closed(1, 1000)
    assert house.quiet(100, 2) == []


def test_a_venue_may_ask_for_its_replacement(ready: House) -> None:
    (connect,) = ready.say(1, b"replace")
    assert isinstance(connect, Connect)
    assert ready.session.ready


def test_the_old_connection_stays_until_a_replacement_is_ready(ready: House) -> None:
    ready.say(1, b"replace")
    for number in range(2, 5):
        ready.session.failed(number, "refused", ready.now)
        assert ready.session.ready
        said: list[Command] = []
        while not any(isinstance(command, Connect) for command in said):
            said += ready.quiet(1, 1)
        assert len(said) == 1


def test_data_of_the_old_connection_does_not_make_a_failing_replacement_hurry(ready: House) -> None:
    ready.say(1, b"replace")
    connects = []
    for number in range(2, 200):
        ready.session.failed(number, "refused", ready.now)
        while not any(isinstance(command, Connect) for command in ready.quiet(1, 1)):
            pass
        connects.append(ready.at_s)
        if ready.at_s > 1600:
            break
    assert len(connects) < 30


def test_given_the_old_one_dies_in_between_the_replacement_takes_its_place(ready: House) -> None:
    ready.say(1, b"replace")
    ready.closed(1)
    ready.open(2)
    assert ready.say(2, READY) == []
    assert ready.session.ready
    assert ready.quiet(60, 2) == []


def test_given_the_new_one_dies_in_the_overlap_the_old_one_stays(ready: House) -> None:
    ready.say(1, b"replace")
    ready.open(2)
    ready.say(2, READY)
    ready.closed(2)
    assert ready.session.connections == 1
    assert not [command for command in ready.quiet(10, 1) if isinstance(command, Close)]


def test_a_failing_conversation_ends_its_connection_only(ready: House) -> None:
    with capture_logs() as logs:
        said = ready.say(1, b"fail")
    assert said == [Close(1, "its conversation failed with ValueError", 1000)]
    assert [line["event"] for line in logs] == ["conversation.failed"]
    ready.closed(1)
    assert isinstance(ready.until(Connect, 2), Connect)


def test_what_the_venue_tells_is_passed_on(ready: House) -> None:
    assert ready.say(1, b"warn") == [Notify("maintenance at noon")]


def test_more_frames_than_the_venue_bears_wait(ready: House) -> None:
    ready.advance(10.0)
    for n in range(12):
        ready.session.renew(str(n), Channel.TRADES, ready.now)
    sent = [len([c for c in ready.advance(0.0) if isinstance(c, Transmit)])]
    for _ in range(3):
        assert ready.session.wake_s <= ready.at_s + 1.0
        ready.at_s = max(ready.session.wake_s, ready.at_s + 0.999)
        sent.append(len([c for c in ready.advance(0.001) if isinstance(c, Transmit)]))
    assert sent == [5, 5, 2, 0]


def test_changed_symbols_are_noted_and_subscribed_on_the_living_connection(ready: House) -> None:
    wanted = WANTED | {"ETH-USD": BOTH}
    live = replace(ready.live, plan_wanted={"spot-0": wanted})
    ready.session.change(live, live.plans()[0], ready.now)
    configure, transmit = ready.advance(1.0)
    assert configure == Configure(1, wanted)
    assert isinstance(transmit, Transmit)
    assert b'"subscribe":["ETH-USD"]' in transmit.frame


def test_symbols_changed_while_it_connects_are_asked_for_when_it_is_open(house: House) -> None:
    house.advance()
    live = replace(house.live, plan_wanted={"spot-0": {"ETH-USD": BOTH}})
    house.session.change(live, live.plans()[0], house.now)
    configure, transmit = house.open()
    assert configure == Configure(1, {"ETH-USD": BOTH})
    assert isinstance(transmit, Transmit)
    assert b"ETH-USD" in transmit.frame


def test_another_address_is_gone_over_to_with_an_overlap(ready: House) -> None:
    live = replace(ready.live, url="ws://y")
    ready.session.change(live, live.plans()[0], ready.now)
    (connect,) = ready.advance()
    assert isinstance(connect, Connect)
    assert connect.plan.url == "ws://y"
    assert ready.session.ready


def test_the_same_plan_again_changes_nothing(ready: House) -> None:
    ready.session.change(replace(ready.live), ready.session.plan, ready.now)
    assert ready.advance() == []


def test_stopped_it_closes_with_1000_and_is_finished_when_that_is_done(ready: House) -> None:
    ready.say(1, b"replace")
    ready.open(2)
    ready.session.stop("the end")
    assert [c for c in ready.advance() if isinstance(c, Close)] == [
        Close(1, "the end", 1000),
        Close(2, "the end", 1000),
    ]
    ready.closed(1, 1000)
    assert not ready.session.finished
    ready.closed(2, 1000)
    assert ready.session.finished


def test_the_feeds_allowance_of_connections_is_shared() -> None:
    house = House(replace(LIMITS, connects=(1, 60.0)))
    house.advance()
    house.session.failed(1, "refused", house.now)
    house.until(Connect, 61)
    assert house.at_s == pytest.approx(1060.0)


class AnyCourse(RuleBasedStateMachine):
    """Whatever happens, in whatever order."""

    @initialize(
        seed=st.integers(0, 2**32),
        lifetime_s=st.sampled_from([None, 3.0, 60.0]),
        overlap_s=st.sampled_from([0.0, 1.0, 5.0]),
        connects=st.sampled_from([(2, 10.0), (100, 1.0)]),
    )
    def begin(
        self, seed: int, lifetime_s: float | None, overlap_s: float, connects: tuple[int, float]
    ) -> None:
        limits = replace(LIMITS, lifetime_s=lifetime_s, overlap_s=overlap_s, connects=connects)
        self.house = House(limits, random=Random(seed))
        self.phases: dict[int, str] = {}
        self.replacing = False
        self.halted = False
        self.stopped = False
        self.begun: list[float] = []
        self.failed_s = float("-inf")

    def follow(self) -> None:
        """Do what the session says, as the shell would."""
        for command in self.house.advance():
            match command:
                case Connect(number):
                    assert not self.stopped
                    assert not self.halted
                    living = [n for n, phase in self.phases.items() if phase != "closing"]
                    assert all(self.phases[n] == "ready" for n in living)
                    assert len(living) <= 1
                    assert self.house.at_s >= self.failed_s + self.house.backoff.wait_s
                    self.phases[number] = "connecting"
                    self.begun.append(self.house.at_s)
                case Close(number):
                    assert self.phases[number] != "closing", "closed twice"
                    self.phases[number] = "closing"
                case Transmit(number) | Ping(number) | Configure(number):
                    assert self.phases[number] in ("open", "ready")
                case Halt():
                    self.halted = True

    def some(self, data: st.DataObject, *phases: str) -> int:
        return data.draw(st.sampled_from([n for n, phase in self.phases.items() if phase in phases]))

    def any_in(self, *phases: str) -> bool:
        return any(phase in phases for phase in self.phases.values())

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 2.0, 7.0, 40.0]))
    def pass_time(self, seconds: float) -> None:
        self.house.at_s += seconds
        self.follow()

    @rule()
    def wake(self) -> None:
        wake_s = self.house.session.wake_s
        if wake_s < float("inf"):
            self.house.at_s = max(self.house.at_s, wake_s)
            self.follow()

    @precondition(lambda self: self.any_in("connecting"))
    @rule(data=st.data(), how=st.sampled_from(["opened", "opened", "opened", "failed", "503", "401"]))
    def handshake(self, data: st.DataObject, how: str) -> None:
        number, session, now = self.some(data, "connecting"), self.house.session, self.house.now
        if how == "opened":
            self.phases[number] = "open"
            session.opened(number, now)
        else:
            del self.phases[number]
            self.failed_s = now.steady_s
            if how == "failed":
                session.failed(number, "", now)
            else:
                session.refused(number, int(how), b"", now)
        self.follow()

    @precondition(lambda self: self.any_in("open", "ready", "closing"))
    @rule(data=st.data(), frame=st.sampled_from([READY, READY, b"data", b"replace", b"again", b"fail"]))
    def frame(self, data: st.DataObject, frame: bytes) -> None:
        number = self.some(data, "open", "ready", "closing")
        if frame == READY and self.phases[number] == "open":
            self.phases[number] = "ready"
        with capture_logs():
            self.house.session.received(number, [frame], self.house.now)
        self.follow()

    @precondition(lambda self: self.any_in("open", "ready"))
    @rule(data=st.data(), code=st.sampled_from([None, 1000, 1001, 1006]))
    def close(self, data: st.DataObject, code: int | None) -> None:
        number = self.some(data, "open", "ready")
        del self.phases[number]
        self.failed_s = self.house.at_s
        self.house.session.closed(number, code, "", self.house.now)
        self.follow()

    @precondition(lambda self: self.any_in("closing"))
    @rule(data=st.data())
    def gone(self, data: st.DataObject) -> None:
        number = self.some(data, "closing")
        del self.phases[number]
        self.house.session.failed(number, "", self.house.now)
        self.follow()

    @rule(held=st.booleans())
    def hold(self, held: bool) -> None:
        self.house.session.hold(held, self.house.now)
        self.follow()

    @rule()
    def stop(self) -> None:
        self.house.session.stop("the end")
        self.stopped = True
        self.follow()

    @invariant()
    def there_are_never_more_than_two(self) -> None:
        living = [phase for phase in getattr(self, "phases", {}).values() if phase != "closing"]
        assert len(living) <= 2

    @invariant()
    def it_keeps_the_allowance(self) -> None:
        if hasattr(self, "house"):
            most, per_s = self.house.limits.connects
            for begin_s in self.begun[-50:]:
                assert sum(begin_s <= at_s < begin_s + per_s for at_s in self.begun) <= most

    @invariant()
    def a_stopped_one_is_finished_once_everything_is_closed(self) -> None:
        if hasattr(self, "house") and (self.stopped or self.halted):
            assert self.house.session.finished == (not self.phases)

    @invariant()
    def an_idle_one_will_connect(self) -> None:
        if hasattr(self, "house") and not self.phases and not (self.stopped or self.halted):
            assert self.house.session.wake_s <= self.house.at_s + 61.0


AnyCourse.TestCase.settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyCourse = AnyCourse.TestCase
