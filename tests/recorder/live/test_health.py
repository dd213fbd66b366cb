"""/metrics, /healthz, /readyz over a real socket, and what makes them say no."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from barograph.clock import NS_PER_S
from barograph.errors import SettingsError
from barograph.recorder.live.alarms import Bounds
from barograph.recorder.live.health import View, application, not_ready, serving
from barograph.recorder.live.stats import FeedStage, FeedStats, Stats

NOW_NS = 1_723_075_200 * NS_PER_S


def well() -> Stats:
    feeds = {
        "binance": FeedStats("binance", FeedStage.LIVE, planned=2, connections=2, last_recv_ns=NOW_NS),
        "kite": FeedStats("kite", FeedStage.STARTING),
    }
    return Stats(os.getpid(), "0.1", NOW_NS - 600 * NS_PER_S, now_ns=NOW_NS, feeds=feeds)


def ask(view: View, *paths: str, **headers: str) -> list[tuple[int, Any, str]]:
    """Status, body and content type of each path."""

    async def scenario() -> list[tuple[int, Any, str]]:
        async with serving(application(view), "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
            answers = []
            for path in paths:
                async with session.get(f"http://127.0.0.1:{port}{path}", headers=headers) as response:
                    kind = response.headers["Content-Type"]
                    body = await (response.json() if "json" in kind else response.text())
                    answers.append((response.status, body, kind))
            return answers

    return asyncio.run(scenario())


def view_of(stats: Stats, *, alive: bool = True) -> View:
    return View(lambda: stats, lambda: {"binance"}, lambda: alive, Bounds())


def test_given_all_is_well_then_every_answer_says_so_and_a_closed_market_is_well() -> None:
    answers = ask(view_of(well()), "/healthz", "/readyz", "/metrics")
    assert answers[0][:2] == (200, {"alive": True, "reasons": []})
    assert answers[1][:2] == (200, {"ready": True, "reasons": []})
    status, text, kind = answers[2]
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert 'barograph_feed_stage{feed="binance",stage="live"} 1.0' in text
    assert ask(view_of(well()), "/metrics", Accept="application/openmetrics-text")[0][1].endswith("# EOF\n")


def test_given_a_dead_tables_thread_then_healthz_says_no_and_readyz_does_not_care() -> None:
    healthz, readyz = ask(view_of(well(), alive=False), "/healthz", "/readyz")
    assert healthz[:2] == (503, {"alive": False, "reasons": ["nobody sees to the tables"]})
    assert readyz[0] == 200


def _stop(stats: Stats) -> None:
    stats.feeds["kite"].stage, stats.feeds["kite"].problem = FeedStage.STOPPED, "run barograph login kite"


def _degrade(stats: Stats) -> None:
    stats.feeds["binance"].stage, stats.feeds["binance"].connections = FeedStage.DEGRADED, 1


def _mute(stats: Stats) -> None:
    stats.feeds["binance"].last_recv_ns -= 121 * NS_PER_S


def _late(stats: Stats) -> None:
    stats.tables.lag_s = 61


def _refused(stats: Stats) -> None:
    stats.tables.problem = "connection refused"


def _full(stats: Stats) -> None:
    stats.journal.problem = "no space left"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_stop, "kite has stopped: run barograph login kite"),
        (_degrade, "binance is degraded: 1 of 2 connections are ready"),
        (_mute, "binance has sent no frame for 121 s although its market is open"),
        (_late, "the tables are 61 s behind the tape; 60 s are allowed"),
        (_refused, "the store does not take rows: connection refused"),
        (_full, "the tape does not take records: no space left"),
    ],
)
def test_given_something_wrong_then_readyz_says_what(spoil: Callable[[Stats], None], reason: str) -> None:
    stats = well()
    spoil(stats)
    [answer] = ask(view_of(stats), "/readyz")
    assert answer[:2] == (503, {"ready": False, "reasons": [reason]})


def test_given_a_closed_market_then_silence_and_lost_connections_are_well() -> None:
    stats = well()
    _degrade(stats)
    _mute(stats)
    assert not_ready(stats, set(), Bounds()) == []


def test_given_a_port_that_is_taken_then_the_setting_is_named() -> None:
    async def scenario(port: int) -> None:
        async with serving(application(view_of(well())), "127.0.0.1", port):
            pytest.fail("two servers on one port")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match=r"record\.metrics_port"):
            asyncio.run(scenario(taken.getsockname()[1]))
