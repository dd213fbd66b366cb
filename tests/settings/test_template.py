"""The file that ``barograph init`` writes: it says what the tree says, and loads back."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from barograph.settings import Settings, template
from barograph.settings.tree import leaves


def test_the_template_loads_to_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "barograph.toml"
    file.write_text(template(), encoding="utf-8")
    loaded = Settings.load(file, environ={})
    assert loaded.model_dump() == Settings(data_dir=tmp_path / "data").model_dump()


def test_every_line_uncommented_still_loads_to_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "barograph.toml"
    text = re.sub(r"^#(\w+ = (?!\"\"))", r"\1", template(), flags=re.MULTILINE)
    file.write_text(text, encoding="utf-8")
    loaded = Settings.load(file, environ={})
    assert loaded.model_dump() == Settings(data_dir=tmp_path / "data").model_dump()
    given = [entry.name for entry in loaded.explain() if entry.origin.kind == "file"]
    optional = [".".join(path) for path, leaf in leaves().items() if leaf.default is None]
    assert sorted(given + optional) == sorted(".".join(path) for path in leaves())


def test_every_setting_stands_in_the_template_with_its_meaning() -> None:
    text = template()
    assert tomllib.loads(text)["data_dir"] == "data"
    for path, leaf in leaves().items():
        assert leaf.help.endswith("."), f"{path} says nothing about itself"
        assert f"{path[-1]} = " in text
