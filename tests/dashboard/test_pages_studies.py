"""Past studies: found where they are, read as they lie there, never changed and never run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from barograph.dashboard import telling
from barograph.dashboard.courses import courses
from barograph.dashboard.studies import Place, judged, places, trained
from barograph.dashboard.theme import LIGHT
from barograph.dashboard.troubles import Unavailable
from barograph.research import files
from barograph.settings import Settings


@pytest.fixture(scope="module")
def done(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a whole study. To be read only."""
    folder = tmp_path_factory.mktemp("studies") / "study"
    shutil.copytree(studies / "crosses", folder / "crosses")
    return folder


@pytest.fixture
def own(done: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change; the study's own folder."""
    return Path(shutil.copytree(done, tmp_path / "study")) / "crosses"


def settings(root: Path, studies: Path | None = None) -> Settings:
    return Settings.model_validate({"data_dir": root / "data", "web": {"studies": studies}})


def only(path: Path) -> Place:
    (found,) = places(settings(path.parent.parent))
    return found


def test_studies_are_looked_for_beside_the_data_or_where_the_setting_says(done: Path, tmp_path: Path) -> None:
    assert files.studies_folder(settings(done.parent)) == done
    assert [place.name for place in places(settings(done.parent))] == ["crosses"]
    assert [place.name for place in places(settings(tmp_path, done / "crosses"))] == ["crosses"]
    assert places(settings(tmp_path)) == []


def test_what_was_found_is_what_the_files_say(done: Path) -> None:
    place = only(done / "crosses")
    assert place.next_step == ""
    found = judged(place)
    raw = json.loads((place.path / files.VALIDATION).read_bytes())
    assert found.verdict.headline == raw["verdict"]["headline"]
    assert list(found.verdict.reasons) == raw["verdict"]["reasons"]
    assert (found.tries, found.num_strategies) == (raw["tries"], 50)
    assert found.honesty.sharpe is not None
    assert found.honesty.sharpe.dsr == raw["honesty"]["sharpe"]["dsr"]
    crowd = trained(place)
    assert (len(crowd.ids), crowd.families) == (50, {"sma_cross": 50})
    best = crowd.ids.index(found.strategy_id)
    assert crowd.metrics["win_rate"][best] == found.training_metrics["win_rate"]


def test_traded_again_it_gives_the_numbers_of_its_files(done: Path) -> None:
    place = only(done / "crosses")
    before = contents(place.path)
    found = judged(place)
    again = courses(settings(done.parent), place, found.strategy_id, "win_rate")
    assert again.reason == ""
    assert again.winner is not None
    assert again.winner[-1] - 1 == pytest.approx(found.whole_metrics["total_return"], rel=1e-12)
    assert again.validation is not None
    best = trained(place).ids.index(found.strategy_id)
    assert again.validation[best] == found.validation_metrics["win_rate"]
    assert contents(place.path) == before


def test_prices_that_changed_are_not_traded_again(own: Path) -> None:
    path = own / files.STRATEGIES
    text = path.read_text()
    hash_ = json.loads(text)["data_hash"]
    path.write_text(text.replace(hash_, "0" * len(hash_)))
    again = courses(settings(own.parent.parent), only(own), judged(only(own)).strategy_id, "win_rate")
    assert again.winner is None
    assert "not those any more" in again.reason
    assert "0" * len(hash_) in path.read_text()


def test_looking_runs_no_code_of_a_study(own: Path) -> None:
    code = own / "mine.py"
    code.write_text(f"open({str(own / 'ran')!r}, 'w')\ndef f(bars): return [0] * len(bars)\n")
    path = own / files.STRATEGIES
    value = json.loads(path.read_text())
    value["strategies"] = [{"family": "python", "params": {"path": f"{code}:f"}}]
    path.write_text(json.dumps(value))
    again = courses(settings(own.parent.parent), only(own), "any", "win_rate")
    assert "runs nobody's program" in again.reason
    assert not (own / "ran").exists()


@pytest.mark.parametrize(
    ("gone", "step"),
    [
        ((files.REPORT,), "visualize"),
        ((files.VALIDATION, files.REPORT), "validate"),
        ((files.TRAINING, files.BEST, files.VALIDATION, files.REPORT), "backtest"),
    ],
)
def test_a_study_that_is_half_done_tells_its_next_step(own: Path, gone: tuple[str, ...], step: str) -> None:
    for key in gone:
        (own / key).unlink()
    place = only(own)
    assert place.next_step == step
    assert place.is_judged == (step == "visualize")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"verdict": {"skill": "perhaps"}}', b'{"strategy_id": "\xff"}']
)
def test_results_that_cannot_be_read_are_told_with_the_step_to_repeat(own: Path, content: bytes) -> None:
    (own / files.VALIDATION).write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        judged(only(own))
    assert caught.value.remedy == f"barograph research validate --out {own}"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "strategy_id,family,win_rate\nx,rsi,much\n"])
def test_a_training_file_that_cannot_be_read_is_told_with_the_step_to_repeat(own: Path, text: str) -> None:
    (own / files.TRAINING).write_text(text)
    with pytest.raises(Unavailable) as caught:
        trained(only(own))
    assert caught.value.remedy == f"barograph research backtest --out {own}"


def test_a_study_is_read_anew_when_its_files_change(own: Path) -> None:
    first = judged(only(own))
    text = (own / files.VALIDATION).read_text()
    (own / files.VALIDATION).write_text(text.replace(first.verdict.headline, "skill not shown: other words"))
    assert judged(only(own)).verdict.headline == "skill not shown: other words"


def test_the_story_tells_tries_and_probabilities_in_words(done: Path) -> None:
    found = judged(only(done / "crosses"))
    told = telling.luck(found)
    assert found.honesty.sharpe is not None
    assert found.honesty.overfitting is not None
    assert f"The best of {found.tries:,} coin flips looks like this" in told
    assert "12,870 ways" in told
    assert f"{100 * (found.honesty.overfitting.probability or 0):.0f} %" in told
    table = telling.comparison([("one", found), ("two", found)], LIGHT)
    assert table.count("</th>") == 3
    assert "&lt;" not in telling.reasons(found)


def test_names_from_files_cannot_become_markup(done: Path) -> None:
    found = judged(only(done / "crosses"))
    assert "<script>" not in telling.comparison([("<script>x</script>", found)], LIGHT)
    assert telling.as_it_is("*a* [b](c) :red[d]") == r"\*a\* \[b\](c) \:red\[d\]"


def contents(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_arrays_that_all_viewers_share_cannot_be_changed(done: Path) -> None:
    values = trained(only(done / "crosses")).metrics["win_rate"]
    with pytest.raises(ValueError, match="read-only"):
        values[0] = np.nan
