"""Layers of settings: what wins, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from barograph.errors import SettingsError
from barograph.settings import FILE_NAME, Flag, Origin, Settings


def write(folder: Path, text: str) -> Path:
    file = folder / FILE_NAME
    file.write_text(text, encoding="utf-8")
    return file


def refusal(path: Path | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(path, environ=environ or {})
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_nothing_given_is_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = Settings.load(environ={})
    assert loaded.model_dump() == Settings().model_dump()
    assert {str(entry.origin) for entry in loaded.explain()} == {"default"}


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path, '[feeds.polygon]\ntier_crypto = "starter"\n[bars]\nspike_window = 30\n')
    plain = {"POLYGON_TIER_CRYPTO": "developer"}
    specific = {"BAROGRAPH__FEEDS__POLYGON__TIER_CRYPTO": "advanced"}
    flag = Flag("feeds.polygon.tier_crypto", "basic", "--tier")

    def tier(environ: dict[str, str], *flags: Flag) -> tuple[str, str]:
        loaded = Settings.load(file, environ=environ, flags=flags)
        assert loaded.bars.spike_window == 30
        return loaded.feeds.polygon.tier_crypto, str(loaded.origin("feeds.polygon.tier_crypto"))

    assert tier({}) == ("starter", f"{file}:2")
    assert tier(plain) == ("developer", "environment POLYGON_TIER_CRYPTO")
    assert tier(plain | specific) == ("advanced", "environment BAROGRAPH__FEEDS__POLYGON__TIER_CRYPTO")
    assert tier(plain | specific, flag) == ("basic", "flag --tier")


def test_the_file_of_the_current_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "[bars]\nspike_window = 31\n")
    monkeypatch.chdir(tmp_path)
    loaded = Settings.load(environ={})
    assert loaded.bars.spike_window == 31
    assert loaded.origin("bars.spike_window") == Origin("file", "barograph.toml:2")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(b"\xef\xbb\xbf[bars]\r\nspike_window = 32\r\n")
    loaded = Settings.load(file, environ={})
    assert (loaded.bars.spike_window, str(loaded.origin("bars.spike_window"))) == (32, f"{file}:2")


def test_relative_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    file = write(tmp_path, 'data_dir = "market"\n[query]\ntemp_dir = "/var/tmp"\n')
    loaded = Settings.load(file, environ={})
    assert loaded.data_dir == tmp_path / "market"
    assert loaded.query.temp_dir == Path("/var/tmp")
    assert Settings.load(file, environ={"BAROGRAPH__DATA_DIR": "here"}).data_dir == Path("here")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[bars]\nspike_windw = 3\n",
            [":2: unknown setting 'spike_windw' in [bars]; did you mean 'spike_window'"],
        ),
        ("\n\n[tpe]\nx = 1\n", [":4: unknown setting 'x' in [tpe]"]),
        ("[tpe]\n", [":1: unknown setting 'tpe'; did you mean 'tape'"]),
        ("fsync_bytes = 5000\n", [":1: unknown setting 'fsync_bytes'; did you mean 'tape.fsync_bytes'"]),
        ("tape = 3\n", [":1: tape is a section"]),
        ("[[tape]]\nfsync_bytes = 5000\n", [":1: tape is a section"]),
        ("[bars]\nspike_window = 'many'\n", [":2: bars.spike_window = 'many': it should be a valid integer"]),
        (
            "[bars]\nspike_window = 0\n",
            [":2: bars.spike_window = '0': it should be greater than or equal to 2"],
        ),
        ("[bars]\noutlier_pct = nan\n", [":2: bars.outlier_pct = 'nan': it should be a finite number"]),
        ("[log]\nlevel = 'loud'\n", [":2: log.level = 'loud': it should be 'debug', 'info'"]),
        ("[bars]\nspike_min_bars = 61\n", ["bars.spike_min_bars = 61 is more than bars.spike_window = 60"]),
        ("[bars\n", ["is not valid TOML", "line 1"]),
        (
            "[bars]\nspike_windw = 3\nquiet_grace_s = -1\n",
            ["2 settings are wrong", "spike_windw", "quiet_grace_s"],
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_line(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    file = write(tmp_path, text)
    message = refusal(file)
    for expected in words:
        assert (f"{file}{expected}" if expected.startswith(":") else expected) in message


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "BAROGRAPH__TAPE__FSYNK_BYTES",
            "1",
            "unknown setting 'fsynk_bytes' in [tape]; did you mean 'fsync_bytes'",
        ),
        ("BAROGRAPH__NOTHING_LIKE_IT", "1", "unknown setting 'nothing_like_it'"),
        ("BAROGRAPH__TAPE", "1", "tape is a section"),
        ("BAROGRAPH__BARS__SPIKE_WINDOW", "", "it should be a valid integer"),
        ("POLYGON_TIER_STOCKS", "gold", "it should be 'basic'"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(name: str, value: str, words: str) -> None:
    message = refusal(environ={name: value})
    assert f"environment {name}: " in message
    assert words in message


def test_a_missing_file_that_was_asked_for_is_refused(tmp_path: Path) -> None:
    assert "barograph init" in refusal(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / FILE_NAME
    file.write_bytes(b"\xff\xfe\x00\x01")
    assert "cannot be read" in refusal(file)


def test_secrets_are_shown_nowhere(tmp_path: Path) -> None:
    secret = "pk_live_0123456789"
    loaded = Settings.load(environ={"POLYGON_API_KEY": secret})
    key = loaded.feeds.polygon.api_key
    assert key is not None
    assert key.get_secret_value() == secret
    assert secret not in repr(loaded) + str(loaded) + repr(loaded.explain()) + str(loaded.model_dump())
    file = write(tmp_path, "[feeds.polygon]\napi_key = 123456789\n")
    message = refusal(file)
    assert "123456789" not in message
    assert "api_key = ********" in message


def test_both_names_of_the_key_are_read_and_polygon_wins() -> None:
    def key(environ: dict[str, str]) -> str:
        found = Settings.load(environ=environ).feeds.polygon.api_key
        return found.get_secret_value() if found else ""

    assert key({"MASSIVE_API_KEY": "m"}) == "m"
    assert key({"MASSIVE_API_KEY": "m", "POLYGON_API_KEY": "p"}) == "p"
    assert key({"MASSIVE_API_KEY": "m", "POLYGON_API_KEY": ""}) == "m"


@pytest.mark.parametrize("name", ["S3_BUCKET", "AWS_S3_BUCKET"])
def test_the_plain_names_of_s3_are_read(name: str) -> None:
    loaded = Settings.load(environ={"USE_S3": "true", name: "my-lake"})
    assert (loaded.s3.use, loaded.s3.bucket) == (True, "my-lake")
    assert str(loaded.origin("s3.use")) == "environment USE_S3"
    assert not Settings.load(environ={"USE_S3": "false"}).s3.use
    assert "USE_S3" in refusal(environ={"USE_S3": "perhaps"})


def test_lists_come_from_the_environment_as_json() -> None:
    loaded = Settings.load(environ={"BAROGRAPH__SIMULATOR__SYMBOLS": '["SOL-USD", "ADA-USD"]'})
    assert loaded.simulator.symbols == ("SOL-USD", "ADA-USD")
    assert "SYMBOLS" in refusal(environ={"BAROGRAPH__SIMULATOR__SYMBOLS": "[broken"})


def test_settings_are_frozen() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="frozen"):
        Settings().bars.spike_window = 3  # type: ignore[misc]


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.integers(min_value=2, max_value=10_000), st.floats(min_value=0, max_value=3600))
def test_numbers_survive_the_way_through_the_environment(window: int, lateness: float) -> None:
    loaded = Settings.load(
        environ={
            "BAROGRAPH__BARS__SPIKE_WINDOW": str(window),
            "BAROGRAPH__BARS__SPIKE_MIN_BARS": "2",
            "BAROGRAPH__BARS__ALLOWED_LATENESS_S": repr(lateness),
        }
    )
    assert (loaded.bars.spike_window, loaded.bars.allowed_lateness_s) == (window, lateness)
