"""Reading: once for each state of the data, however many look; and what is told when it cannot be."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from barograph.dashboard.data import Data
from barograph.dashboard.troubles import Unavailable
from barograph.market import Market
from barograph.settings import Settings
from barograph.store import Lake


class Reads:
    """Counts how often it is asked to read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, market: Market) -> int:
        self.count += 1
        return market.store.committed()


@pytest.fixture
def copied(recorded: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(recorded, tmp_path / "data"))


def over(data: Path) -> Data:
    return Data(Settings(data_dir=data))


def test_ten_viewers_cost_one_query(recorded: Path) -> None:
    data, reads = over(recorded), Reads()
    with ThreadPoolExecutor(10) as viewers:
        answers = list(viewers.map(lambda _: data.ask("ten viewers", (), reads), range(10)))
    assert reads.count == 1
    assert len(set(answers)) == 1


def test_other_questions_and_arguments_are_asked_by_themselves(recorded: Path) -> None:
    data, reads = over(recorded), Reads()
    for question, argument in (("a", 1), ("a", 2), ("b", 1), ("a", 1)):
        data.ask(f"others {question}", argument, reads)
    assert reads.count == 3


def test_when_rows_come_it_is_read_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from barograph.store import Commit

    monkeypatch.setattr("barograph.dashboard.data.LOOK_EVERY_S", -1.0)
    data, reads = over(copied), Reads()
    before, version = data.ask("news", (), reads), data.version()
    lake = Lake(copied / "lake")
    lake.commit(Commit(before, before + 5, {}))
    lake.close()
    assert data.ask("news", (), reads) == before + 5
    assert data.version() != version
    assert reads.count == 2


def test_a_trade_in_the_ledger_is_news_for_those_who_ask_of_trading(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("barograph.dashboard.data.LOOK_EVERY_S", -1.0)
    data = over(copied)
    tables, trading = data.version(), data.version("trading")
    (copied / "state" / "ledger.sqlite").write_bytes(b"something")
    assert data.version("trading") != trading
    assert data.version() == tables


def test_what_lies_beside_a_store_that_is_down_is_told_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "s3": {"use": True}})
    data, asked = Data(settings), []
    monkeypatch.setattr("barograph.dashboard.data.time.time", lambda: 1_000_000.0)
    for _ in range(3):
        assert data.ask_beside("shelves", (), lambda: asked.append("look") or "a shelf") == "a shelf"
    assert asked == ["look"]


def test_no_data_directory_is_told_as_nothing_yet(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No data directory") as told:
        over(tmp_path / "none").version()
    assert told.value.is_new
    assert told.value.remedy == "barograph demo"


def test_an_empty_data_directory_is_no_trouble(tmp_path: Path) -> None:
    from barograph.dashboard import ledger, overview

    data = over(tmp_path)
    assert overview.series(data) == []
    assert overview.glances(data) == []
    assert ledger.anomalies_span(data) is None
    assert ledger.coverage_span(data) is None


def test_a_broken_file_is_told_with_a_remedy(copied: Path) -> None:
    from barograph.dashboard import overview

    for path in copied.glob("lake/market_microstructure/*/*.parquet"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Unavailable) as told:
        overview.glances(over(copied))
    assert told.value.reason
    assert told.value.remedy.startswith("barograph ")


def test_a_database_that_is_down_is_told_and_not_asked_by_each_viewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("barograph.dashboard.data.LOOK_EVERY_S", 3_600.0)
    looked = []
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "store": f"postgresql://u:secret@127.0.0.1:{port}/d"}
    )
    data = Data(settings)
    state = data._versions._state
    monkeypatch.setattr(data._versions, "_state", lambda of: looked.append(of) or state(of))
    for _ in range(3):
        with pytest.raises(Unavailable) as told:
            data.version()
    assert looked == ["tables"]
    assert "secret" not in f"{told.value.reason} {told.value.remedy} {data.place}"
    assert told.value.remedy
    assert "\n" not in told.value.reason
    assert "refused. Is the server" in told.value.reason, "a new line is a new sentence"


def test_tables_in_s3_are_told_to_be_out_of_reach(tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "s3": {"use": True, "bucket": "my-lake"}})
    with pytest.raises(Unavailable, match=r"my-lake.*USE_S3") as told:
        Data(settings).version()
    assert told.value.remedy == "barograph sync"
