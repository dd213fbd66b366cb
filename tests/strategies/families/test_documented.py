"""docs/strategies.md says what the families are: names, defaults, bounds, examples."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from barograph.strategies import families
from barograph.strategies.families import FAMILIES, check, external
from barograph.strategies.prices import Prices
from barograph.strategies.strategy import Strategy, from_json

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
JSON = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def rows() -> dict[str, str]:
    section = TEXT.split("## Families\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.MULTILINE))


def test_every_family_is_told_in_its_order():
    assert list(rows()) == list(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_parameters_are_told_with_default_and_bounds(family):
    told = rows()[family.name].split("|")[-1]
    for parameter in family.parameters:
        if parameter.name == "code":
            continue
        assert f"`{parameter.name}`" in told
        if parameter.kind != "text":
            high = "2^53 - 1" if parameter.name == "seed" else f"{parameter.high:.9g}"
            assert f"`{parameter.name}` ({parameter.default:g}; {parameter.low:g} to {high})" in told


def examples() -> list[str]:
    """One JSON value a line or a block."""
    return [one for block in JSON for one in re.split(r"\n(?=\{)", block.strip())]


@pytest.mark.parametrize("example", [one for one in examples() if '"python"' not in one])
def test_examples_can_be_traded(example):
    assert check(from_json(example)).family in FAMILIES


def test_the_function_and_the_family_of_the_document_work(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(next(block for block in PYTHON if block.startswith("# mine.py")))
    monkeypatch.chdir(tmp_path)
    strategy = check(from_json(next(one for one in examples() if '"python"' in one)))
    close = np.arange(1.0, 101.0)
    bars = Prices("X", 60, np.arange(100) * 60, close, close, close, close, close)
    assert external(strategy, bars)[60:].tolist() == [1.0] * 40

    room: dict[str, families.Family] = {}
    exec(next(block for block in PYTHON if "BELOW_AVERAGE" in block), room)
    monkeypatch.setitem(families._FAMILIES, "below_average", room["BELOW_AVERAGE"])
    found = families.rules(Strategy(family="below_average", side="both"))
    assert msgspec.json.decode(msgspec.json.encode(found))[0][0][1] == "below"
