"""``barograph serve`` and ``barograph token``, as people run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from tests.cli.conftest import Call


@contextmanager
def serving(data: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, once it answers: its address."""
    command = [
        sys.executable,
        "-m",
        "barograph",
        "serve",
        "--data",
        str(data),
        "--port",
        "0",
        "--json",
        *words,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        url = json.loads(_out(process).readline())["url"]
        yield url, process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (url, process):
        answer = httpx.get(f"{url}/v1/symbols", timeout=30)
        assert answer.json() == {"rows": [], "next": None}
        assert "server" not in answer.headers
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 0, told
        assert "Traceback" not in told


def test_several_workers_answer_at_one_address_and_end_together(tmp_path: Path) -> None:
    with serving(tmp_path, "--workers", "2") as (url, process):
        assert httpx.get(f"{url}/healthz", timeout=60).json() == {"alive": True}
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
        assert "Traceback" not in told
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_streams_are_told_the_end_before_the_server_ends(tmp_path: Path, workers: str) -> None:
    with (
        serving(tmp_path, "--workers", workers) as (url, process),
        httpx.stream("GET", f"{url}/v1/stream", timeout=60) as answer,
    ):
        lines = answer.iter_lines()
        assert "event: ready" in lines
        process.send_signal(signal.SIGTERM)
        assert "event: end" in lines
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
        assert "Traceback" not in told


def test_a_public_address_without_any_token_is_refused(call: Call, tmp_path: Path) -> None:
    refused = call("serve", "--host", "0.0.0.0", "--data", tmp_path, code=3)
    assert "barograph token create --scope read" in refused.err


def test_a_token_is_shown_once_and_works_until_it_is_revoked(call: Call, tmp_path: Path) -> None:
    made = call(
        "token", "create", "--scope", "read", "--name", "me", "--expires", "30d", "--data", tmp_path, "--json"
    )
    header = {"Authorization": f"Bearer {made.json['token']}"}
    os.environ["BAROGRAPH__WEB__TOKENS"] = "always"
    try:
        with serving(tmp_path) as (url, process):
            assert httpx.get(f"{url}/v1/symbols", timeout=30).status_code == 401
            assert httpx.get(f"{url}/v1/symbols", headers=header).status_code == 200
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    finally:
        del os.environ["BAROGRAPH__WEB__TOKENS"]
    (row,) = call("token", "list", "--data", tmp_path, "--json").json
    assert (row["name"], row["scope"], row["live"]) == ("me", "read", True)
    assert row["expires"] > row["created"]
    assert row["last_used"] >= row["created"]
    assert made.json["token"] not in str(row)
    assert call("token", "revoke", "me", "--data", tmp_path, "--json").json["revoked"] == row["id"]
    assert call("token", "list", "--data", tmp_path, "--json").json == []


@pytest.mark.parametrize(
    "words",
    [
        ("token", "revoke", "nobody"),
        ("token", "create", "--expires", "soon"),
        ("token", "create", "--expires", "999999999999d"),
        ("token", "create", "--scope", "all"),
    ],
)
def test_a_token_that_cannot_be_is_refused(call: Call, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert call(*words, "--data", tmp_path, code=2).err


def test_without_the_packages_it_says_what_to_install(execute: Call, tmp_path: Path) -> None:
    (tmp_path / "fastapi.py").write_text("raise ImportError('no fastapi here')")
    told = execute("serve", "--data", tmp_path, code=3, env={"PYTHONPATH": str(tmp_path)})
    assert "pip install 'barograph[web]'" in told.err
