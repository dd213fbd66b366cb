"""anomalies train, score, list, promote, drift, and anomalies by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from barograph.anomalies.models import Registry
from barograph.clock import NS_PER_US, ManualClock
from barograph.recorder import replay
from barograph.records import Kind, Stream
from barograph.simulator import Market, frames
from barograph.tape import TapeWriter

from ..recorder.modelling import put_model

START_US = 1_723_075_200_000_000
TRAIN = ("anomalies", "train", "--symbols", "BTC-USD,ETH-USD", "--end", "2024-08-08T06:00", "--trees", 10)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight simulated hours of two symbols, with tables."""
    data = tmp_path_factory.mktemp("anomalies")
    market = Market(4, ["BTC-USD", "ETH-USD"], start_us=START_US, minutes=480, rate=0.15)
    with TapeWriter(data / "tape", clock=ManualClock(START_US * NS_PER_US)) as tape:
        for batch in frames(market):
            tape.append_many([Stream("sim", "sim-1")], 0, batch.recv_ns, Kind.FRAME, batch.payloads)
    replay(data)
    return data


@pytest.fixture
def data(hours: Path, tmp_path: Path) -> Path:
    shutil.copytree(hours, tmp_path / "data")
    return tmp_path / "data"


def test_train_keeps_a_version_that_list_shows_and_the_same_again_is_the_same(call: Any, data: Path) -> None:
    made = call(*TRAIN, "--data", data, "--json")
    told = made.json
    assert f"next: barograph anomalies promote {told['model']}" in made.err
    assert told["model"].startswith("isolation-forest/")
    assert (told["symbols"], told["last"]) == ("BTC-USD ETH-USD", "2024-08-08T05:59Z")
    assert sorted(path.name for path in Path(told["folder"]).iterdir()) == [
        "card.json",
        "card.md",
        "model.bin",
        "model.skops",
    ]
    assert call(*TRAIN, "--data", data, "--json").json == told
    other = call(*TRAIN, "--name", "mine", "--seed", 5, "--data", data, "--json").json["model"]
    listed = call("anomalies", "list", "--data", data, "--json").json
    assert [row["model"] for row in listed] == [told["model"], other]
    assert not any(row["promoted"] for row in listed)
    card = msgspec.json.decode((Path(told["folder"]) / "card.json").read_bytes())
    again = card["command"].split()[1:]
    assert call(*again, "--data", data, "--json").json == told


def test_list_of_none_says_how_to_make_one(call: Any, data: Path) -> None:
    outcome = call("anomalies", "list", "--data", data, "--json")
    assert outcome.json == []
    assert "barograph anomalies train" in outcome.err


def test_score_tells_the_most_unusual_minutes_first_or_all_in_order(call: Any, data: Path) -> None:
    reference = put_model(data, 2.0)
    words = ("anomalies", "score", "forest", "--data", data, "--json")
    rows = call(*words, "--start", "2024-08-08T06:00").json
    assert rows
    assert all(row["score"] >= row["threshold"] == 0.6 and row["flow"] > 2.0 for row in rows)
    assert all(row["ts"] >= "2024-08-08T06:00" for row in rows)
    every = call(*words, "--all", "--symbols", "ETH-USD").json
    assert {row["symbol"] for row in every} == {"ETH-USD"}
    assert [row["ts"] for row in every] == sorted(row["ts"] for row in every)
    assert len(every) > 400
    assert "no model is promoted" in call("anomalies", "score", "--data", data, code=2).err
    call("anomalies", "promote", "forest", "--data", data)
    promoted = call("anomalies", "score", "--data", data, "--start", "2024-08-08T06:00", "--json").json
    assert promoted == rows
    assert "did you mean" in call(*words, "--symbols", "BTC-USX", code=2).err
    header = call("anomalies", "score", str(reference), "--data", data, "--csv").out.splitlines()[0]
    assert header == "ts,venue,symbol,score,threshold,move,spread,flow,volatility,volume,pause"


def test_promote_lets_one_version_count_and_none(call: Any, data: Path) -> None:
    one, two = put_model(data, 1.0), put_model(data, 2.0)
    assert "several versions" in call("anomalies", "promote", "forest", "--data", data, code=2).err
    promoted = call("anomalies", "promote", str(two), "--data", data, "--json").json
    assert promoted == {"promoted": str(two), "digest": Registry.of(data).digest(two)}
    listed = call("anomalies", "list", "--data", data, "--json").json
    assert {row["model"]: row["promoted"] for row in listed} == {str(one): False, str(two): True}
    assert call("anomalies", "promote", "--none", "--data", data, "--json").json["promoted"] is None
    assert Registry.of(data).promoted() is not None
    for words in ((), ("forest", "--none")):
        assert "say which model" in call("anomalies", "promote", *words, "--data", data, code=2).err


def test_a_damaged_version_ends_every_verb_with_4(call: Any, data: Path) -> None:
    reference = put_model(data, 1.0)
    path = data / "models" / reference.name / reference.version / "model.bin"
    path.write_bytes(path.read_bytes()[:-1])
    for verb in ("score", "promote", "drift"):
        outcome = call("anomalies", verb, "forest", "--data", data, code=4)
        assert "put the folder back" in outcome.err
    assert not (data / "models" / "promoted.json").exists()


def test_drift_tells_each_feature_and_the_share_that_reaches_the_threshold(call: Any, data: Path) -> None:
    put_model(data, 2.0)
    told = call("anomalies", "drift", "forest", "--start", "2024-08-08T06:00", "--data", data, "--json").json
    assert [row["feature"] for row in told["features"]] == [
        "move",
        "spread",
        "flow",
        "volatility",
        "volume",
        "pause",
    ]
    assert told["above_trained"] == 0.5
    assert 0.0 < told["above"] < 0.5
    assert {row["verdict"] for row in told["features"]} <= {"steady", "moved", "gone"}
    outcome = call("anomalies", "drift", "forest", "--start", "2024-08-08T06:00", "--data", data)
    assert outcome.out.startswith("feature,psi,by_chance,trained,now,missing,verdict")
    assert "reach the threshold" in outcome.err


def test_drift_looks_at_what_came_after_the_training_span(call: Any, data: Path) -> None:
    model = call(*TRAIN, "--data", data, "--json").json["model"]
    told = call("anomalies", "drift", model, "--data", data, "--json").json
    assert told["rows"] == len(
        call(
            "anomalies", "score", model, "--all", "--start", "2024-08-08T06:00", "--data", data, "--json"
        ).json
    )
    assert 0.003 < told["above_trained"] < 0.012


def test_by_itself_the_verb_reads_the_table_with_the_version_of_each_row(call: Any, data: Path) -> None:
    rows = call("anomalies", "--data", data, "--json").json
    assert {row["model_version"] for row in rows} <= {"rules-1"}
    assert call("anomalies", "--kind", "model", "--data", data, "--json").json == []
    assert "train" in call("anomalies", "--help").out


def test_parameters_out_of_bounds_are_usage_errors(call: Any, data: Path) -> None:
    for flag, value in (("--trees", 0), ("--samples", 1), ("--share", 0.9), ("--seed", -1)):
        assert flag in call("anomalies", "train", f"{flag}={value}", "--data", data, code=2).err
    assert "Invalid value" in call("anomalies", "train", "--model", "magic", "--data", data, code=2).err
