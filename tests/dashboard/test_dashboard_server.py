"""The process: its address, its end, what it tells nobody, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from barograph.cli import main
from barograph.cli.demo_view import look_at
from barograph.dashboard.main import serve
from barograph.errors import SettingsError
from barograph.settings import Settings

LINUX = sys.platform == "linux"
CALLED = """
import atexit, importlib.machinery, json, pathlib, runpy, sys
import barograph

def taken():
    house = pathlib.Path(barograph.__file__).parent
    rooms = {path.stem for path in house.rglob("*") if path.suffix in ("", ".py")} - {"__init__", "viewer"}
    found = {room: importlib.machinery.PathFinder.find_spec(room) for room in rooms}
    return sorted(room for room, spec in found.items() if spec and str(house) in str(spec.origin))

atexit.register(lambda: print(json.dumps(taken()), file=sys.stderr))
sys.argv = ["-m", *sys.argv[1:]]
runpy.run_module("barograph", run_name="__main__", alter_sys=True)
"""
"""``python -m barograph``, which at its end tells which rooms of ours pass for libraries on Python's path."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A dashboard over nothing, with a password in its settings."""
    (tmp_path / "barograph.toml").write_text('[database]\npassword = "not-for-eyes"\n', encoding="utf-8")
    command = [sys.executable, "-c", CALLED, "dashboard", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        yield running
        if running.poll() is None:
            running.kill()


@pytest.mark.skipif(not LINUX, reason="looks into /proc, and sends signals")
def test_it_prints_its_address_keeps_its_secrets_and_ends_when_told(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    with urllib.request.urlopen(f"{url}/_stcore/health", timeout=30) as answer:
        assert answer.read() == b"ok"
    for about in ("cmdline", "environ"):
        assert b"not-for-eyes" not in Path(f"/proc/{process.pid}/{about}").read_bytes()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err
    # numba imports coverage where there is one; barograph.coverage is none that it knows.
    assert json.loads(err.splitlines()[-1]) == [], "rooms of ours that hide libraries of that name"


def test_a_port_that_somebody_has_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", "--port", str(port)]) == 3
    told = capfd.readouterr().err
    assert f"127.0.0.1:{port}" in told
    assert "--port" in told


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1"):
        serve(Settings(), "192.0.2.1", 0, lambda url: None)


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "streamlit" else name)
    with pytest.raises(SettingsError, match=r"streamlit.*pip install 'barograph\[web\]'"):
        serve(Settings(), "127.0.0.1", 0, lambda url: None)


def test_the_demo_tells_how_to_look_at_it() -> None:
    from tests.cli.test_demo_view import REPORT

    from barograph.cli.demo_view import as_text

    assert look_at(REPORT).endswith("dashboard --data 'my data'")
    assert look_at(REPORT) in as_text(REPORT)
