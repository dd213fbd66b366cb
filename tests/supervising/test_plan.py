"""What is run by which settings."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from barograph.errors import UsageError
from barograph.recorder.live.stats import Stats
from barograph.recorder.live.statusfile import StatusFile, status_path
from barograph.recorder.trading.figures import Figures, Telling
from barograph.settings import Settings
from barograph.supervising.plan import NAMES, free_port, plan_of, url


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"record": {"feeds": ["sim"]}, "trade": {"strategies": ["dip"]}, **more})


def names(plan: Any) -> list[str]:
    return [part.name for part in plan.parts]


def test_given_feeds_and_strategies_then_all_four_are_run() -> None:
    plan = plan_of(settings())
    assert names(plan) == list(NAMES)
    assert plan.left_out == ()


def test_given_no_feeds_and_no_strategies_then_neither_is_run_and_it_is_said_why() -> None:
    plan = plan_of(Settings())
    assert names(plan) == ["serve", "dashboard"]
    assert {one.name: one.why.split(";")[0] for one in plan.left_out} == {
        "record": "no feed to record",
        "trade": "no strategy to trade",
    }


@pytest.mark.parametrize(
    ("only", "without", "run"),
    [
        (("record", "serve"), (), ["record", "serve"]),
        ((), ("dashboard",), ["record", "trade", "serve"]),
        (("serve", "dashboard"), ("serve",), ["dashboard"]),
    ],
)
def test_given_names_then_those_are_run(only: Any, without: Any, run: list[str]) -> None:
    assert names(plan_of(settings(), only=only, without=without)) == run


@pytest.mark.parametrize("flag", ["only", "without"])
def test_given_an_unknown_name_then_the_known_ones_are_told(flag: str) -> None:
    with pytest.raises(UsageError, match="--" + flag + " recorder: .* record, trade, serve, dashboard"):
        plan_of(settings(), **{flag: ("recorder",)})


def test_given_nothing_left_to_run_then_it_is_told_why() -> None:
    with pytest.raises(UsageError, match=r"record: no feed to record; set record\.feeds"):
        plan_of(Settings(), only=("record",))


def test_who_looks_ends_before_who_trades_and_who_records_ends_last() -> None:
    ends = {part.name: part.ends for part in plan_of(settings()).parts}
    assert ends["serve"] == ends["dashboard"] < ends["trade"] < ends["record"]


def test_the_recorder_has_the_patience_of_its_setting_and_some_more() -> None:
    [record] = plan_of(settings(record={"feeds": ["sim"], "shutdown_s": 33}), only=("record",)).parts
    assert record.patience_s > 33


def test_every_process_gets_the_flags_and_no_secret() -> None:
    given = settings(database={"password": "correct horse"}, alerts={"webhook_url": "https://h/secret"})
    for part in plan_of(given, ("--config", "b.toml")).parts:
        assert part.words == ("-m", "barograph", part.name, "--config", "b.toml")
        assert not any("horse" in value or "secret" in value for value in part.environ.values())


def test_given_port_0_then_a_free_one_is_chosen_that_stays_the_same_for_every_life() -> None:
    web = {"api_port": 0, "dashboard_port": 0}
    parts = {part.name: part for part in plan_of(settings(web=web)).parts}
    port = parts["serve"].environ["BAROGRAPH__WEB__API_PORT"]
    assert parts["serve"].address == f"http://127.0.0.1:{port}"
    assert int(port) > 0
    assert parts["dashboard"].environ["BAROGRAPH__WEB__DASHBOARD_PORT"] != "0"


def test_given_metrics_then_the_recorder_has_an_address() -> None:
    [record] = plan_of(settings(record={"feeds": ["sim"], "metrics_port": 9464}), only=("record",)).parts
    assert record.address == "http://127.0.0.1:9464/metrics"


def test_given_an_address_for_everybody_then_this_machine_asks_itself() -> None:
    assert url("0.0.0.0", 1) == "http://127.0.0.1:1"


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port("127.0.0.1")))


def test_probes_say_no_where_nothing_is(tmp_path: Path) -> None:
    given = settings(data_dir=tmp_path, web={"api_port": 0, "dashboard_port": 0})
    assert [part.ready(1) for part in plan_of(given).parts] == [False] * 4


@pytest.mark.parametrize("content", [b"", b"[]", b'{"problem": "\xff"}'])
def test_probes_say_no_where_files_are_damaged(tmp_path: Path, content: bytes) -> None:
    """The next writing mends them: who asks must not give up."""
    (tmp_path / "state").mkdir()
    for name in ("recorder", "trade"):
        (tmp_path / "state" / f"{name}.status.json").write_bytes(content)
    assert [part.ready(1) for part in plan_of(settings(data_dir=tmp_path)).parts[:2]] == [False] * 2


def test_what_a_predecessor_has_left_makes_nobody_ready(tmp_path: Path) -> None:
    """However young its file is."""
    now_ns, mine = time.time_ns(), os.getpid()
    Telling(tmp_path).tell(Figures(pid=mine, now_ns=now_ns))
    file = StatusFile(status_path(tmp_path))
    file.put(file.encoded(Stats(mine, "0.1", now_ns, now_ns=now_ns)))
    recorder, trader = (part.ready for part in plan_of(settings(data_dir=tmp_path)).parts[:2])
    assert (recorder(mine), trader(mine)) == (True, True)
    assert (recorder(mine + 1), trader(mine + 1)) == (False, False)
