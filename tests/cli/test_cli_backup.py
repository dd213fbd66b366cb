"""barograph backup: made, listed, verified, removed, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.servers.s3 import s3_server

from barograph.cli import main
from barograph.disk import Lock


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five simulated minutes on a tape of two segments, replayed."""
    data = tmp_path_factory.mktemp("recorded") / "d"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAROGRAPH__TAPE__ROLL_BYTES", "65536")
        for start in ("00:00", "00:03"):
            begin = ["--start", f"2024-08-08T{start}", "--duration", "3m", "--symbols", "BTC-USD"]
            assert main(["simulate", *begin, "--data", str(data), "--quiet"]) == 0
        assert main(["replay", "--data", str(data), "--quiet"]) == 0
    return data


@pytest.fixture
def data(recorded: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(recorded, tmp_path / "d"))


def test_what_is_due_is_made_once_and_can_be_listed_and_verified(call: Any, data: Path) -> None:
    words = ("--data", data, "--json")
    assert call("backup", "due", *words).json["due"] == "weekly"
    made = {each["kind"]: each for each in call("backup", "run", *words).json}
    assert set(made) == {"weekly", "hourly-raw"}
    assert made["weekly"]["full"]
    assert made["weekly"]["rows"] > 100
    assert made["weekly"]["next_pos"] == call("status", *words).json["tape"]["end"]
    assert call("backup", "due", *words).json["due"] is None
    again = call("backup", "run", *words).json
    assert [(each["kind"], each["id"], each["note"]) for each in again] == [
        ("hourly-raw", None, "no segment is new")
    ]
    listed = call("backup", "list", *words).json
    assert {each["kind"]: (each["id"], each["bytes"], each["whole"]) for each in listed} == {
        kind: (each["id"], each["bytes"], True) for kind, each in made.items()
    }
    verified = call("backup", "verify", *words).json
    assert (verified["sound"], verified["backups"]) == (True, 2)


def test_a_daily_without_a_full_one_is_full_and_says_so(call: Any, data: Path) -> None:
    first = call("backup", "run", "--kind", "daily", "--data", data)
    assert "full: there was none to go on from" in first.out
    (second,) = call("backup", "run", "--kind", "daily", "--data", data, "--json").json
    assert (second["full"], second["rows"], second["note"]) == (False, 0, None)


def test_two_places_are_filled_the_near_one_first(
    call: Any, data: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("BAROGRAPH__BACKUP__TO", str(tmp_path / "near"))
    monkeypatch.setenv("BAROGRAPH__BACKUP__REMOTE", str(tmp_path / "far"))
    made = call("backup", "run", "--kind", "weekly", "--data", data, "--json").json
    assert [(Path(each["place"]).name, each["id"], each["note"]) for each in made] == [
        ("near", made[0]["id"], None),
        ("far", made[0]["id"], "copied"),
    ]
    assert call("backup", "verify", "--at", tmp_path / "far", "--data", data, "--json").json["sound"]
    shutil.rmtree(tmp_path / "far")
    (tmp_path / "far").write_text("no directory")
    failed = call("backup", "run", "--kind", "daily", "--data", data, "--json", code=75)
    assert [Path(each["place"]).name for each in failed.json] == ["near"], "what was done is told"


def test_a_place_in_s3_is_filled_and_verified(call: Any, data: Path, monkeypatch: Any) -> None:
    with s3_server() as server:
        for name, value in server.environ.items():
            monkeypatch.setenv(name, value)
        to = f"s3://{server.bucket()}/backups"
        assert call("backup", "run", "--to", to, "--data", data, "--json").json[0]["place"] == to
        assert len(call("backup", "list", "--at", to, "--data", data, "--json").json) == 2
        assert call("backup", "verify", "--at", to, "--data", data, "--json").json["sound"]


def test_given_a_changed_byte_then_verify_names_the_file_and_ends_with_4(call: Any, data: Path) -> None:
    call("backup", "run", "--kind", "weekly", "--data", data)
    file = next((data / "backups").rglob("quotes/0000.parquet"))
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 3] ^= 8
    file.write_bytes(raw)
    told = call("backup", "verify", "--data", data, "--json", code=4)
    assert told.json["sound"] is False
    (problem,) = told.json["problems"]
    assert "quotes/0000.parquet does not match its sha256" in problem
    assert "barograph backup run --kind weekly" in told.err


def test_given_a_damaged_segment_then_the_rest_goes_and_the_code_is_4(call: Any, data: Path) -> None:
    sealed = sorted((data / "tape").glob("*.sealed"))
    raw = bytearray(sealed[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    sealed[0].write_bytes(raw)
    told = call("backup", "run", "--kind", "hourly-raw", "--data", data, "--json", code=4)
    assert told.json[0]["files"] == len(sealed) - 1
    assert sealed[0].name in told.err


def test_prune_asks_shows_and_removes(call: Any, execute: Any, data: Path, monkeypatch: Any) -> None:
    for _ in range(2):
        call("backup", "run", "--kind", "weekly", "--data", data)
    assert call("backup", "prune", "--data", data, "--dry-run", "--json").json == []
    monkeypatch.setenv("BAROGRAPH__BACKUP__KEEP_LOCAL_DAYS", "0.0000001")
    planned = call("backup", "prune", "--data", data, "--dry-run", "--json").json
    assert [each["why"] for each in planned] == ["old"]
    assert planned[0]["bytes"] > 1_000
    assert "--yes" in execute("backup", "prune", "--data", data, stdin="", code=2).err
    assert len(call("backup", "list", "--data", data, "--json").json) == 2
    assert call("backup", "prune", "--data", data, "--yes", "--json").json == planned
    (left,) = call("backup", "list", "--data", data, "--json").json
    assert left["whole"]
    assert call("backup", "verify", "--data", data, "--json").json["sound"]


def test_given_another_run_then_it_is_waited_for(call: Any, data: Path, monkeypatch: Any) -> None:
    from barograph.vault import running

    lock = Lock(data / "state" / "backup.lock", "backups are being made")
    lock.acquire()
    monkeypatch.setattr(running.time, "sleep", lambda _: lock.release())
    call("backup", "run", "--kind", "weekly", "--data", data)


def test_given_another_run_that_goes_on_then_it_is_busy(data: Path) -> None:
    from barograph.errors import StorageBusy
    from barograph.settings import Flag, Settings
    from barograph.vault.running import run

    settings = Settings.load(None, {}, [Flag("data_dir", str(data), "--data")])
    with (
        Lock(data / "state" / "backup.lock", "backups are being made"),
        pytest.raises(StorageBusy, match="backups of"),
    ):
        run(settings, "daily", wait_s=0)


def test_given_wrong_settings_then_they_are_named(call: Any, data: Path, monkeypatch: Any) -> None:
    assert "gs://" in call("backup", "run", "--to", "gs://x", "--data", data, code=3).err
    monkeypatch.setenv("BAROGRAPH__BACKUP__ZONE", "Mars/Base")
    assert "Mars/Base" in call("backup", "due", "--data", data, code=3).err
    assert "no backup 'x'" in call("backup", "verify", "x", "--data", data, code=2).err


def test_given_nothing_recorded_then_auto_does_nothing_and_a_kind_says_why(call: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "nothing is due" in call("backup", "run", "--data", tmp_path / "empty").err
    assert (
        "hold nothing yet"
        in call("backup", "run", "--kind", "daily", "--data", tmp_path / "empty", code=4).err
    )
    assert (
        "no tape" in call("backup", "run", "--kind", "hourly-raw", "--data", tmp_path / "empty", code=4).err
    )


def test_looking_makes_nothing(call: Any, tmp_path: Path) -> None:
    call("backup", "list", "--data", tmp_path / "none")
    call("backup", "verify", "--data", tmp_path / "none")
    assert not (tmp_path / "none").exists()
