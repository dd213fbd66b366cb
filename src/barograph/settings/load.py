"""Putting the layers together, and refusing what is wrong with a message that helps."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from barograph.errors import SettingsError
from barograph.settings.layers import Given, Layer, from_environment, from_file
from barograph.settings.origin import MASK, Origin, Path, dotted
from barograph.settings.tree import Leaf, Settings, leaves

FILE_NAME = "barograph.toml"
"""The settings file that is looked for in the current directory."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting given on the command line: ``Flag("data_dir", "/srv/data", "--data")``."""

    name: str
    value: Any
    flag: str


def load(
    path: FilePath | str | None,
    environ: Mapping[str, str] | None,
    flags: Sequence[Flag],
) -> Settings:
    """The settings in force, which remember where each came from.

    Raises:
        SettingsError: with every problem found, not only the first.
    """
    given = _file_layer(path)
    given.update(from_environment(os.environ if environ is None else environ))
    given.update({tuple(f.name.split(".")): Given(f.value, Origin("flag", f.flag)) for f in flags})
    known = leaves()
    problems = list(_unknown(given, known))
    accepted = {place: entry for place, entry in given.items() if place in known}
    try:
        origins = {place: entry.origin for place, entry in accepted.items()}
        settings = Settings.model_validate(_nested(accepted), context=origins)
    except ValidationError as error:
        problems += _invalid(error, accepted, known)
        raise SettingsError(_report(problems)) from None
    if problems:
        raise SettingsError(_report(problems))
    return settings


def _file_layer(path: FilePath | str | None) -> Layer:
    if path is None:
        file = FilePath(FILE_NAME)
        return _anchored(from_file(file), file) if file.exists() else {}
    file = FilePath(path)
    if not file.is_file():
        raise SettingsError(f"there is no settings file {file}; 'barograph init {file.parent}' writes one")
    return _anchored(from_file(file), file)


def _anchored(layer: Layer, file: FilePath) -> Layer:
    """Relative paths of a file count from the file's own folder, wherever one stands."""
    known = leaves()
    anchored = dict(layer)
    for place, entry in layer.items():
        leaf = known.get(place)
        if leaf is not None and leaf.is_path and isinstance(entry.value, str):
            anchored[place] = Given(file.parent / FilePath(entry.value).expanduser(), entry.origin)
    return anchored


def _nested(layer: Layer) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for place, entry in layer.items():
        branch = tree
        for section in place[:-1]:
            branch = branch.setdefault(section, {})
        branch[place[-1]] = entry.value
    return tree


def _unknown(given: Layer, known: Mapping[Path, Leaf]) -> Iterator[str]:
    sections = {place[:depth] for place in known for depth in range(1, len(place))}
    for place, entry in given.items():
        if place in known:
            continue
        if place not in sections:
            yield f"{entry.origin}: unknown setting {_quoted(place)}{_nearest(place, known, sections)}"
        elif entry.value != {}:
            yield f"{entry.origin}: {dotted(place)} is a section; its settings stand below [{dotted(place)}]"


def _quoted(place: Path) -> str:
    section = f" in [{dotted(place[:-1])}]" if len(place) > 1 else ""
    return f"'{place[-1]}'{section}"


def _nearest(place: Path, known: Mapping[Path, Leaf], sections: set[Path]) -> str:
    """The valid name that was probably meant: in the same section, else anywhere."""
    everything = [*known, *sections]
    siblings = [other[-1] for other in everything if other[:-1] == place[:-1]]
    found = difflib.get_close_matches(place[-1], siblings, n=1)
    if found:
        return f"; did you mean '{found[0]}'?"
    elsewhere = [dotted(other) for other in everything if other[-1] == place[-1]]
    elsewhere += difflib.get_close_matches(dotted(place), map(dotted, everything), n=1, cutoff=0.7)
    return f"; did you mean '{elsewhere[0]}'?" if elsewhere else ""


def _invalid(error: ValidationError, given: Layer, known: Mapping[Path, Leaf]) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_context=False):
        place = tuple(str(part) for part in detail["loc"])
        while place and place not in given:
            place = place[:-1]
        reason = detail["msg"].replace("Input should", "it should")
        if not place:
            yield reason.removeprefix("Value error, ")
            continue
        value = MASK if known[place].is_secret else repr(str(given[place].value))
        yield f"{given[place].origin}: {dotted(place)} = {value}: {reason}"


def _report(problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{problems[0]}\n'barograph config show' lists every setting"
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"{len(problems)} settings are wrong:\n{listed}\n'barograph config show' lists every setting"
