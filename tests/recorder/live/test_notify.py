"""sd_notify, over real datagram sockets, as systemd would read it."""

from __future__ import annotations

import configparser
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import structlog

from barograph.recorder.live.notify import Notifier

UNIT = Path(__file__).resolve().parents[3] / "infrastructure" / "systemd" / "barograph-record.service"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no systemd")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A service manager's end, and the value of NOTIFY_SOCKET."""
    if request.param == "abstract" and sys.platform != "linux":
        pytest.skip("abstract names are Linux's")
    name = uuid4().hex
    address = str(tmp_path / "notify") if request.param == "path" else f"@barograph-{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address if address[0] == "/" else "\0" + address[1:])
        listening.settimeout(5)
        yield listening, address


def test_given_a_service_manager_then_it_gets_every_turn(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    assert notifier.listening
    before = time.monotonic_ns() // 1000
    notifier.ready("2 feeds")
    notifier.status("1,000 messages/s\nall well")
    notifier.watchdog()
    notifier.reloading()
    notifier.ready()
    notifier.stopping("draining")
    got = [listening.recv(4096).decode() for _ in range(6)]
    reloading, _, moment = got.pop(3).partition("\nMONOTONIC_USEC=")
    assert got == [
        "READY=1\nSTATUS=2 feeds",
        "STATUS=1,000 messages/s all well",
        "WATCHDOG=1",
        "READY=1",
        "STOPPING=1\nSTATUS=draining",
    ]
    assert reloading == "RELOADING=1"
    assert before <= int(moment) <= time.monotonic_ns() // 1000
    notifier.close()
    assert not notifier.listening


def test_given_no_service_manager_then_nothing_happens() -> None:
    notifier = Notifier.from_environment({})
    notifier.ready()
    notifier.watchdog()
    notifier.close()
    assert not notifier.listening


def test_given_a_manager_that_is_gone_or_does_not_read_then_it_is_said_once_and_nothing_blocks(
    tmp_path: Path,
) -> None:
    address = str(tmp_path / "notify")
    with structlog.testing.capture_logs() as lines:
        assert not Notifier(address).listening
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            notifier = Notifier(address)
            for _ in range(5000):  # more than its queue takes
                notifier.watchdog()
        notifier.close()
        assert not Notifier("vsock:2:1").listening
    assert [line["event"] for line in lines] == [
        "the service manager cannot be reached",
        "the service manager does not listen",
        "NOTIFY_SOCKET is of a kind that is not supported",
    ]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(environ: dict[str, str], expected: float | None) -> None:
    assert Notifier.from_environment(environ).watchdog_s == expected


def test_the_unit_asks_for_what_the_recorder_tells() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert float(service["WatchdogSec"]) >= 10
    assert " record" in service["ExecStart"]
    assert service["NoNewPrivileges"] == service["ProtectHome"] == "yes"
    assert "MemoryDenyWriteExecute" not in service, "numba's machine code would be refused"
