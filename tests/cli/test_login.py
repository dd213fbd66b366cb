"""``barograph login kite`` against the venue's server."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from barograph.testing.kite import Kite
from barograph.testing.market import LiveMarket
from barograph.testing.threaded import Served, serving

KEY, SECRET = "theKey", "theSecret"
CONFIG = """
[feeds.kite]
api_key = "{key}"
api_secret = "{secret}"
symbols = ["NSE:INFY"]
rest_url = "{rest_url}"
login_url = "https://login.example/connect"
"""


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Kite(LiveMarket(["NSE:INFY"]), apps={KEY: SECRET}, access_token="")) as server:
        yield server


def configure(folder: Path, rest_url: str, key: str = KEY, secret: str = SECRET) -> None:
    (folder / "barograph.toml").write_text(CONFIG.format(key=key, secret=secret, rest_url=rest_url))


def venue(served: Served) -> Kite:
    assert isinstance(served.server.venue, Kite)
    return served.server.venue


def test_given_a_request_token_then_the_days_token_is_kept_private_and_the_venue_takes_it(
    call: Any, served: Served, tmp_path: Path
) -> None:
    configure(tmp_path, served.rest_url)
    outcome = call(
        "login",
        "kite",
        "--request-token",
        venue(served).sessions.log_in(KEY),
        "--json",
        "--data",
        tmp_path / "d",
    )
    file = tmp_path / "d" / "state" / "kite.token.json"
    kept = json.loads(file.read_text())
    assert outcome.json["written"] == str(file)
    assert venue(served).sessions.allowed(KEY, kept["access_token"])
    assert kept["api_key"] == KEY
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    until = datetime.fromisoformat(outcome.json["holds_until"])
    assert (until.hour, until.minute) == (0, 30)
    assert 0 < (until - datetime.now(UTC)).total_seconds() <= 86_400
    assert "in India" in outcome.err
    for secret in (KEY, SECRET, kept["access_token"]):
        assert secret not in outcome.out + outcome.err


def test_given_no_token_then_the_address_is_shown_and_what_is_pasted_is_read(
    execute: Any, served: Served, tmp_path: Path
) -> None:
    configure(tmp_path, served.rest_url)
    token = venue(served).sessions.log_in(KEY)
    pasted = f"https://127.0.0.1:5000/?action=login&status=success&request_token={token}\n"
    outcome = execute("login", "kite", stdin=pasted)
    assert f"https://login.example/connect?v=3&api_key={KEY}" in outcome.err
    assert "kite.token.json" in outcome.out
    assert token not in outcome.out + outcome.err
    assert SECRET not in outcome.out + outcome.err


def test_given_a_used_token_then_the_venues_words_are_passed_on_and_nothing_is_kept(
    call: Any, served: Served, tmp_path: Path
) -> None:
    configure(tmp_path, served.rest_url)
    token = venue(served).sessions.log_in(KEY)
    call("login", "kite", "--request-token", token)
    (tmp_path / "data" / "state" / "kite.token.json").unlink()
    outcome = call("login", "kite", "--request-token", token, code=2)
    assert "Token is invalid or has expired." in outcome.err
    assert token not in outcome.err
    assert not (tmp_path / "data" / "state" / "kite.token.json").exists()


def test_given_a_wrong_secret_then_its_setting_is_named(call: Any, served: Served, tmp_path: Path) -> None:
    configure(tmp_path, served.rest_url, secret="wrongSecret")
    outcome = call("login", "kite", "--request-token", venue(served).sessions.log_in(KEY), code=2)
    assert "KITE_API_SECRET" in outcome.err
    assert "wrongSecret" not in outcome.err


@pytest.mark.parametrize(
    ("key", "secret", "named"), [("", "s", "KITE_API_KEY"), ("k", "", "KITE_API_SECRET")]
)
def test_given_no_app_then_the_missing_setting_is_named(
    call: Any, tmp_path: Path, key: str, secret: str, named: str
) -> None:
    configure(tmp_path, "http://127.0.0.1:9", key, secret)
    assert named in call("login", "kite", "--request-token", "abcdefgh12", code=3).err


@pytest.mark.parametrize(
    "pasted",
    [
        "short",
        "https://127.0.0.1/?status=success",
        "https://127.0.0.1/?request_token=abcdefgh12&status=error",
        "https://[x/?",
    ],
)
def test_given_something_else_than_a_token_then_it_is_refused_and_not_repeated(
    call: Any, tmp_path: Path, pasted: str
) -> None:
    configure(tmp_path, "http://127.0.0.1:9")
    outcome = call("login", "kite", "--request-token", pasted, code=2)
    assert "request_token=..." in outcome.err
    assert pasted not in outcome.err


def test_given_nobody_to_paste_then_it_ends_with_the_flag_to_use(execute: Any, tmp_path: Path) -> None:
    configure(tmp_path, "http://127.0.0.1:9")
    assert "--request-token" in execute("login", "kite", stdin="", code=2).err


def test_given_a_venue_that_fails_or_is_away_then_later_is_told(
    call: Any, served: Served, tmp_path: Path
) -> None:
    configure(tmp_path, served.rest_url)
    served.faults.change(rest_status=503, rest_times=1)
    assert "try again later" in call("login", "kite", "--request-token", "abcdefgh12", code=75).err
    configure(tmp_path, "http://127.0.0.1:9")
    assert "cannot be reached" in call("login", "kite", "--request-token", "abcdefgh12", code=75).err
