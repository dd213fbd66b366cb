"""init, config show, version, feeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import barograph
from barograph.settings import Settings


def test_init_writes_a_file_that_config_show_reads(call: Any, tmp_path: Path) -> None:
    written = call("init", "--json").json["written"]
    assert written == "barograph.toml"
    assert Settings.load(environ={}).model_dump() == Settings().model_dump()
    shown = {row["setting"]: row for row in call("config", "show", "--json").json}
    assert shown["data_dir"]["from"].startswith("barograph.toml:")
    assert shown["bars.spike_window"] == {"setting": "bars.spike_window", "value": 60, "from": "default"}


def test_init_makes_the_folder_and_never_overwrites(call: Any, tmp_path: Path) -> None:
    call("init", tmp_path / "new" / "place")
    file = tmp_path / "new" / "place" / "barograph.toml"
    file.write_text("mine")
    assert "not overwritten" in call("init", tmp_path / "new" / "place", code=2).err
    assert file.read_text() == "mine"


def test_config_show_tells_each_origin_and_masks_secrets(call: Any, monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "barograph.toml").write_text("[bars]\nspike_window = 30\n")
    monkeypatch.setenv("MASSIVE_API_KEY", "very-secret")
    monkeypatch.setenv("BAROGRAPH__LOG__FORMAT", "json")
    outcome = call("config", "show", "--json", "--data", "elsewhere", "--log-level", "info")
    shown = {row["setting"]: (row["value"], row["from"]) for row in outcome.json}
    assert shown["bars.spike_window"] == (30, "barograph.toml:2")
    assert shown["feeds.polygon.api_key"] == ("********", "environment MASSIVE_API_KEY")
    assert shown["log.format"] == ("json", "environment BAROGRAPH__LOG__FORMAT")
    assert shown["data_dir"] == ("elsewhere", "flag --data")
    assert shown["log.level"] == ("info", "flag --log-level")
    assert "very-secret" not in outcome.out + outcome.err


def test_config_show_in_a_pipe_is_csv(call: Any) -> None:
    outcome = call("config", "show")
    assert outcome.out.splitlines()[:2] == ["setting,value,from", "data_dir,data,default"]
    assert "barograph init" in outcome.err
    assert call("config", "show", "--quiet").err == ""


def test_a_wrong_setting_ends_every_verb_with_3(call: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("BAROGRAPH__TAPE__FSYNC", "1")
    outcome = call("config", "show", code=3)
    assert "did you mean" in outcome.err
    assert outcome.out == ""


def test_version(call: Any) -> None:
    versions = call("version", "--json").json
    assert versions["barograph"] == barograph.__version__
    assert versions["duckdb"]


def test_feeds(call: Any) -> None:
    names = [row["feed"] for row in call("feeds", "--json").json]
    assert {"binance", "coinbase", "kraken", "sim"} <= set(names)
    assert call("feeds").out.startswith("feed,describe\n")
