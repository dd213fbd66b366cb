"""An engine over records, with runs cut anywhere and processes that die anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from barograph.paper.dip import Dip
from barograph.paper.ledger import Ledger
from barograph.paper.ledgers.sqlite import SqliteLedger
from barograph.paper.positions import Position, Trade
from barograph.recorder.shaping import LineSettings
from barograph.recorder.trading.assembling import Recorded, last_word, parts_of
from barograph.recorder.trading.beginning import begin
from barograph.recorder.trading.control import applied
from barograph.recorder.trading.engine import Engine, standing
from barograph.recorder.trading.market import MarketView
from barograph.recorder.trading.specs import BarStrategy, Member, Plan, TickStrategy
from barograph.records import Records
from barograph.strategies.families import check
from barograph.strategies.strategy import Strategy

from ..making import records

SETTINGS = LineSettings()
TAPE = records(seed=7, minutes=90)
"""An hour and a half of two venues: late frames, duplicates, rubbish, a connection that comes back."""

DIP = TickStrategy(name="dip", dip=Dip(drop_pct=0.03, profit_pct=0.03, stop_pct=0.1))


def cross(fast: int = 2, slow: int = 5, name: str = "cross", **more: object) -> BarStrategy:
    strategy = check(Strategy(family="sma_cross", params={"fast": fast, "slow": slow}, **more))
    return BarStrategy(name=name, members=(Member(name, strategy),))


PLAN = Plan(ticks=(DIP,), bars=(cross(), cross(3, 8, "both_sides", side="both", stop_loss=0.001)))


def engine_of(ledger: Ledger, plan: Plan = PLAN) -> Engine:
    """A process that has just begun, or begun again."""
    stand = standing(ledger, SETTINGS)
    market, words = MarketView(SETTINGS, None if stand is None else stand.market), applied(ledger)
    for spec in plan.strategies:
        begin(ledger, spec, plan.market, market)
    histories = [Recorded(None, ledger, spec.name) for spec in plan.strategies]
    said = last_word(words, market.next_pos)
    return Engine(
        ledger, market, parts_of(plan.strategies, plan.market, market, ledger, histories, said), words
    )


def drive(
    ledger: Ledger,
    plan: Plan = PLAN,
    cuts: Iterable[int] = (),
    deaths: Sequence[int] = (),
    tape: Records = TAPE,
) -> None:
    """Trade over the tape in runs that end at ``cuts``; at ``deaths`` the process dies, unsaved.

    A checkpoint is made after every third run.
    """
    edges = sorted({0, *(cut for cut in cuts if 0 < cut < len(tape)), *deaths, len(tape)})
    engine, runs = engine_of(ledger, plan), 0
    for stop in edges[1:]:
        while engine.next_pos < stop:
            following = min(edge for edge in edges if edge > engine.next_pos)
            engine.advance(tape.cut(engine.next_pos, following))
            runs += 1
            if runs % 3 == 0:
                engine.note(engine.stand())
        if stop in deaths:
            engine = engine_of(ledger, plan)
    engine.note(engine.stand())


def driven(path: Path, plan: Plan = PLAN, **how: Sequence[int]) -> SqliteLedger:
    ledger = SqliteLedger(path)
    drive(ledger, plan, **how)
    return ledger


def told(ledger: Ledger) -> tuple[list[Trade], list[Position]]:
    """All that it has come to."""
    return list(ledger.trades()), [position for item in ledger.items() for position in item.positions]
