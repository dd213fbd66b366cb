"""Faults by a plan: repeatable, followed, and over when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from barograph.testing import Binance, Fault, Faults, LiveMarket, VenueServer, follow, scheduled
from barograph.testing.schedule import LASTING, ONCE


@given(seed=st.integers(0, 999), faults=st.integers(0, 30))
def test_a_plan_is_the_same_for_the_same_seed_and_every_fault_of_it_can_be(seed: int, faults: int) -> None:
    plan = scheduled(seed, 60, faults, symbols=["BTC-USDT"])
    assert plan == scheduled(seed, 60, faults, symbols=["BTC-USDT"])
    assert len(plan) == faults
    assert [fault.at_s for fault in plan] == sorted(fault.at_s for fault in plan)
    for fault in plan:
        assert 0 <= fault.at_s <= 60
        if fault.what in LASTING:
            Faults().change(**fault.fields)
            assert fault.lasts_s > 0
        else:
            assert fault.what in ONCE


def test_a_long_plan_has_every_kind() -> None:
    assert {fault.what for fault in scheduled(1, 60, 500)} == {*ONCE, *LASTING}


def test_a_plan_can_be_written_down() -> None:
    plan = scheduled(5, 10, 20)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=list[Fault]) == plan


def test_a_plan_is_followed_and_leaves_nothing_wrong(wire: Any) -> None:
    async def scenario() -> None:
        plan = [
            Fault(0.0, "mute", 0.05, {"mute": ["BTC-USDT"]}),
            Fault(0.1, "close", 0.0, {"code": 1012}),
            Fault(0.12, "refuse", 0.02, {"refuse": 503}),
        ]
        async with VenueServer(Binance(LiveMarket(["BTC-USDT"]))) as server:
            async with wire.connect(f"{server.url}/ws/btcusdt@trade") as socket:
                await server.connected(1)
                following = asyncio.ensure_future(follow(server, plan))
                await server.until(lambda: bool(server.faults.mute))
                server.market.trade("BTC-USDT")
                await server.until(lambda: not server.faults.mute)
                server.market.trade("BTC-USDT")
                assert (await socket.json())["t"] == 2
                assert await socket.ended() == 1012
                await following
            assert server.faults == Faults()
            assert [note.detail["act"] for note in server.log.noted("fault")] == ["mute", "close", "refuse"]

    asyncio.run(scenario())
