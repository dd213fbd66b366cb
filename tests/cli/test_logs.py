"""Log lines: JSON in services, readable for people, and never a secret."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from barograph.cli.logs import _Handler, configure, secret_values
from barograph.log import Redaction, get_logger, mask_by_name
from barograph.settings import Settings

SECRETS = {
    "POLYGON_API_KEY": "polygon-s3cret",
    "BAROGRAPH__FEEDS__KITE__ACCESS_TOKEN": 'tok+en/"42"',
    "BAROGRAPH__ALERTS__WEBHOOK_URL": "https://hooks.example.org/T0/geheim",
    "BAROGRAPH__ALERTS__WEBHOOK_SECRET": "hook-s3cret",
}

LEAKING = """
import logging, sys
from urllib.parse import quote
from barograph.cli.options import Everywhere
from barograph.log import get_logger
settings = Everywhere().settings()
log = get_logger()
key = settings.feeds.polygon.api_key.get_secret_value()
token = settings.feeds.kite.access_token.get_secret_value()
hook = settings.alerts.webhook_url.get_secret_value()
secret = settings.alerts.webhook_secret.get_secret_value()
class Holder:
    def __repr__(self):
        return f"Holder({key}, {token})"
log.warning(f"sent {key} to them", url=f"wss://ws.kite.trade?api_key=x&access_token={quote(token, safe='')}")
log.warning("nested", detail={"list": [token, {"deep": hook}], "bytes": secret.encode()}, holder=Holder())
log.bind(session=key).error("bound")
logging.getLogger("aiohttp.client").error("library: %s %s", hook, {"Authorization": token})
try:
    raise ValueError(f"refused {token} at {hook}")
except ValueError as error:
    log.exception("failed", api_secret="anything", why=str(error))
    logging.getLogger("asyncio").exception("task failed")
print(repr(settings), file=sys.stderr)
"""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Other tests do not get this one's handlers."""
    root = logging.getLogger()
    level, config = root.level, structlog.get_config()
    yield
    structlog.configure(**config)
    root.setLevel(level)
    for handler in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(handler)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_secret_of_the_settings_never_reaches_standard_error(form: str) -> None:
    environ = os.environ | SECRETS | {"BAROGRAPH__LOG__FORMAT": form}
    done = subprocess.run(
        [sys.executable, "-c", LEAKING], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.count("***") > 12
    for secret in (*SECRETS.values(), 'tok+en/\\"42\\"', "tok%2Ben%2F%2242%22", "anything", "geheim"):
        assert secret not in done.stderr
    for words in ("sent", "nested", "bound", "library:", "failed", "task failed", "ValueError"):
        assert words in done.stderr


def test_given_json_then_every_line_is_an_object_the_libraries_too(capfd: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    get_logger().info("opened", symbols=2)
    logging.getLogger("aiohttp").warning("slow: %s", 3)
    logging.getLogger("aiohttp").info("chatter")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("opened", "info"), ("slow: 3", "warning")]
    assert (lines[0]["symbols"], lines[1]["logger"]) == (2, "aiohttp")
    assert all(line["timestamp"].endswith("Z") for line in lines)


def test_given_the_console_then_lines_are_for_people_and_configuring_twice_says_nothing_twice(
    capfd: pytest.CaptureFixture[str],
) -> None:
    configure("warning", "console")
    configure("warning", "console")
    get_logger().info("too little")
    get_logger().warning("disk low", free=3)
    logging.getLogger("asyncio").error("oh")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert [line[28:].split() for line in captured.err.splitlines()] == [
        ["[warning", "]", "disk", "low", "free=3"],
        ["[error", "]", "oh", "[asyncio]"],
    ]


def test_every_secret_setting_is_known_and_none_when_none_is_set() -> None:
    assert secret_values(Settings()) == []
    assert sorted(secret_values(Settings.load(environ=SECRETS))) == sorted(SECRETS.values())


def test_names_that_speak_of_secrets_are_masked_and_others_are_not() -> None:
    told = {
        "api_key": "a",
        "accessToken": "b",
        "X-Barograph-Signature": "c",
        "passwd": "d",
        "authorization": b"e",
        "key": "disk_low",
        "instrument_token": 408065,
        "tokens": None,
        "author": "f",
    }
    masked = mask_by_name(told, lambda text: text)
    assert [name for name, value in masked.items() if value == "***"] == list(told)[:5]
    assert {name: masked[name] for name in list(told)[5:]} == {name: told[name] for name in list(told)[5:]}


def test_short_and_overlapping_values_are_masked_as_is_right() -> None:
    redaction = Redaction(["abc", "longsecret", "longsecret-and-more", ""], lambda text: text)
    event = redaction.event(None, "info", {"event": "abc longsecret-and-more longsecret", "n": 5})
    assert event == {"event": "abc *** ***", "n": 5}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
def test_a_log_on_a_full_disk_ends_nothing(tmp_path):
    told = """
import logging, resource, structlog
from barograph.cli.logs import configure
configure("info", "json")
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
for _ in range(200):
    structlog.get_logger().info("x" * 100)
    logging.getLogger("y").error("y" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
structlog.get_logger().info("room again")
"""
    with (tmp_path / "log").open("wb") as log:
        done = subprocess.run([sys.executable, "-c", told], stderr=log, check=False, timeout=60)
    assert done.returncode == 0
    assert b"room again" in (tmp_path / "log").read_bytes()
