"""A promotion on the tape: the same rows however the tape is cut, live, replayed and rebuilt."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.anomalies.models import Promoted, Reference, Registry
from barograph.anomalies.models.promotion import STREAM
from barograph.clock import ManualClock
from barograph.errors import DataError, SettingsError
from barograph.recorder import rebuild, replay
from barograph.recorder.checkpoint import Checkpoints
from barograph.recorder.line import Line, LineState
from barograph.recorder.shaping import LineSettings
from barograph.records import Kind, Records
from barograph.snapshot import pack, unpack
from barograph.store import Lake, Scan
from barograph.tables import TABLES
from barograph.tape import TapeWriter

from .making import START_US, records
from .modelling import put_model

PLAIN = records(seed=21, minutes=60)


def promoted(data: Path, reference: Reference | None) -> Promoted:
    return (
        Promoted(None) if reference is None else Promoted(str(reference), Registry.of(data).digest(reference))
    )


def with_promotions(run: Records, told: Sequence[tuple[int, bytes]]) -> Records:
    """The same tape with ``CONFIG`` records of ours before some of its records."""
    at = [place for place, _ in told]
    return Records(
        0,
        np.insert(run.recv_ns, at, run.recv_ns[at]),
        np.insert(run.kind, at, int(Kind.CONFIG)),
        np.insert(run.stream, at, len(run.streams)),
        (*run.streams, STREAM),
        np.insert(np.array(run.payloads, dtype=object), at, [payload for _, payload in told]).tolist(),
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def tape(house: Path) -> Records:
    """One model from a third on, another from two thirds on, none at the end; one again, one unreadable."""
    one, two = put_model(house, 1.0), put_model(house, 1.5)
    payloads = [msgspec.json.encode(promoted(house, each)) for each in (one, one, two, None)]
    places = [len(PLAIN) * k // 12 for k in (5, 6, 8, 11)]
    unreadable = (len(PLAIN) // 2, b"{")
    return with_promotions(PLAIN, sorted([*zip(places, payloads, strict=True), unreadable]))


def found(parts: list[dict[str, pa.Table]]) -> pa.Table:
    rows = pa.concat_tables([part["anomalies"] for part in parts if "anomalies" in part])
    return rows.sort_by([(name, "ascending") for name in ("ts", "symbol", "kind", "venue", "revision")])


def drive(house: Path, tape: Records, cuts: Sequence[int], *, saved: bool = False) -> tuple[Line, pa.Table]:
    rule_of = Registry.of(house).rule
    line, parts = Line(LineSettings(), rule_of=rule_of), []
    for start, stop in pairwise(sorted({0, len(tape), *cuts})):
        parts.append(line.advance(tape.cut(start, stop)))
        if saved:
            state = unpack(pack(line.state()), LineState)
            line = Line(LineSettings(), state, rule_of=rule_of)
    return line, found(parts)


def test_rows_name_the_version_that_was_promoted_when_they_were_made(house: Path, tape: Records):
    line, rows = drive(house, tape, [])
    models = rows.filter(pc.equal(rows["kind"], "model"))
    by_version = {row["model_version"]: row for row in models.to_pylist()}
    config = [record for record in tape if record.kind == Kind.CONFIG]
    first, _, _, second, none = config
    assert set(by_version) == {msgspec.json.decode(each.payload)["version"] for each in (first, second)}
    for row in models.to_pylist():
        assert first.pos < row["tape_pos"]
        if row["revision"] == 0:
            assert row["tape_pos"] < none.pos
    assert set(models["symbol"].to_pylist()) <= {"BTC-USD", "ETH-USD"}
    rules = rows.filter(pc.not_equal(rows["kind"], "model"))
    assert set(rules["model_version"].to_pylist()) <= {"rules-1"}
    assert line.counts.unknown["barograph: a promotion that cannot be read"] == 1
    assert "barograph: a feed that this version does not know" not in line.counts.unknown


def test_promotions_change_no_row_but_those_of_the_model(house: Path, tape: Records):
    _, rows = drive(house, tape, [])
    _, plain = drive(house, PLAIN, [])
    rules = rows.filter(pc.not_equal(rows["kind"], "model"))
    assert rules.drop_columns("tape_pos").equals(plain.drop_columns("tape_pos"))


@settings(max_examples=8, deadline=None)
@given(data=st.data(), saved=st.booleans())
def test_any_runs_and_any_restarts_make_the_same_rows(
    house: Path, tape: Records, data: st.DataObject, saved: bool
):
    cuts = data.draw(st.lists(st.integers(0, len(tape)), max_size=25))
    whole, line = drive(house, tape, []), drive(house, tape, cuts, saved=saved)
    assert line[1].equals(whole[1])
    assert line[0].counts == whole[0].counts


def test_a_line_without_models_is_told(tape: Records):
    with pytest.raises(DataError, match="no models were handed in"):
        Line(LineSettings()).advance(tape)


# Replay and rebuild.


def write(data: Path, run: Records) -> None:
    with TapeWriter(data / "tape", clock=ManualClock(START_US * 1000)) as tape:
        tape.append_many(run.streams, run.stream, run.recv_ns, run.kind, run.payloads)


def stored(data: Path) -> pa.Table:
    return pa.Table.from_batches(Lake(data / "lake").scan(Scan("anomalies")), TABLES["anomalies"].schema())


@pytest.fixture
def data(house: Path, tape: Records, tmp_path: Path) -> Path:
    """Models and tape, no tables yet."""
    shutil.copytree(house / "models", tmp_path / "models")
    write(tmp_path, tape)
    return tmp_path


def test_rebuild_finds_what_was_found_the_first_time(data: Path):
    replay(data, stride_records=300)
    before = stored(data)
    assert "model" in before["kind"].to_pylist()
    rebuild(data)
    assert stored(data).equals(before)


def test_a_version_that_is_gone_is_told_with_the_remedy_and_put_back_it_goes_on(data: Path, tape: Records):
    replay(data)
    whole = stored(data)
    shutil.rmtree(data / "lake")
    shutil.move(data / "models" / "forest", data / "elsewhere")
    with pytest.raises(
        DataError, match=r"is not there.*put its folder back from a backup, or train it again"
    ):
        replay(data, stride_records=300)
    with pytest.raises(DataError, match="is not there"):
        rebuild(data)
    shutil.move(data / "elsewhere", data / "models" / "forest")
    replay(data, stride_records=300)
    assert stored(data).equals(whole)


def test_a_version_that_was_exchanged_is_refused(data: Path, tape: Records):
    strange = msgspec.json.encode(Promoted(str(Registry.of(data).versions()[0]), "0" * 64))
    other = data / "other"
    shutil.copytree(data / "models", other / "models")
    write(other, with_promotions(PLAIN, [(10, strange)]))
    with pytest.raises(DataError, match="another digest"):
        replay(other)


def test_a_checkpoint_from_before_there_were_models_asks_for_a_rebuild(data: Path):
    replay(data)
    checkpoints = Checkpoints(data / "state")
    raw = checkpoints.load()
    assert raw is not None
    state = unpack(raw, LineState)
    detector = msgspec.msgpack.decode(state.detector, ext_hook=msgspec.msgpack.Ext)
    for history in detector["histories"].values():
        history["values"] = msgspec.msgpack.Ext(1, _shortened(bytes(history["values"].data)))
    state.detector = msgspec.msgpack.encode(detector)
    checkpoints.save(pack(state))
    with pytest.raises(SettingsError, match=r"another version.*barograph rebuild"):
        replay(data)


def _shortened(raw: bytes) -> bytes:
    """The array without its last column, as ``snapshot`` writes it."""
    start = 2 + int.from_bytes(raw[:2], "little")
    dtype, shape = msgspec.msgpack.decode(raw[2:start])
    array = np.frombuffer(raw[start:], dtype).reshape(shape)[:-1]
    head = msgspec.msgpack.encode((array.dtype.str, array.shape))
    return len(head).to_bytes(2, "little") + head + array.tobytes()


def test_the_live_process_needs_no_scikit_learn(data: Path, execute_python):
    """Replaying a tape with a model imports neither scikit-learn nor skops."""
    told = execute_python(
        "import sys; from pathlib import Path; from barograph.recorder import replay; "
        f"print(replay(Path({str(data)!r})).counts.anomalies > 0, "
        "[name for name in ('sklearn', 'skops') if name in sys.modules])"
    )
    assert told.strip() == "True []"


@pytest.fixture
def execute_python():
    import subprocess
    import sys

    def run(code: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return done.stdout

    return run
