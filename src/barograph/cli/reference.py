"""The parts of docs/settings.md and docs/cli.md that are made from the code.

A test compares them with the documents, so neither can drift.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Literal, get_args, get_origin

from cyclopts import App
from pydantic.fields import FieldInfo

from barograph.cli.app import app
from barograph.cli.options import Everywhere
from barograph.settings.template import toml_value
from barograph.settings.tree import leaves, section_at

_EVERYWHERE = {field.name for field in fields(Everywhere)}
_BOUNDS = {"Ge": (">=", "ge"), "Gt": (">", "gt"), "Le": ("<=", "le"), "Lt": ("<", "lt")}


def settings_reference() -> str:
    """A table for each section."""
    text = ""
    section: tuple[str, ...] | None = None
    for path, leaf in leaves().items():
        if path[:-1] != section:
            section = path[:-1]
            text += f"\n### {'[' + '.'.join(section) + ']' if section else 'At the top'}\n\n"
            if section:
                text += (section_at(section).__doc__ or "").split("\n")[0] + "\n\n"
            text += "| setting | default | bounds | meaning |\n|---|---|---|---|\n"
        default = "" if leaf.default is None else f"`{toml_value(leaf.default)}`"
        text += f"| `{path[-1]}` | {default} | {_bounds(leaf.field)} | {leaf.help} |\n"
    return text


def _bounds(field: FieldInfo) -> str:
    """What a value must be, from the definition's own bounds."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    said = []
    for bound in field.metadata:
        sign, name = _BOUNDS.get(type(bound).__name__, ("", ""))
        if name:
            said.append(f"{sign} {getattr(bound, name)}")
    return " and ".join(said)


def verbs(parent: App = app, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every verb that does something, with its words: ``(("tape", "list"), App)``."""
    for name in parent:
        if name.startswith("-"):
            continue
        child = parent[name]
        if child.default_command is not None:
            yield (*above, name), child
        yield from verbs(child, (*above, name))


def cli_reference() -> str:
    """The common options, then every verb."""
    found = dict(verbs())
    text = "\n" + _options(next(iter(found.values())), everywhere=True)
    for words, verb in found.items():
        text += f"\n## barograph {' '.join(words)}\n\n{_meaning(verb)}\n"
        options = _options(verb, everywhere=False)
        text += f"\n{options}" if options else ""
    return text


def _meaning(verb: App) -> str:
    """The verb's docstring down to its parameters."""
    return (inspect.getdoc(verb.default_command) or "").partition("\n\nParameters\n")[0]


def _options(verb: App, *, everywhere: bool) -> str:
    rows = []
    for argument in verb.assemble_argument_collection(parse_docstring=True):
        if (argument.field_info.name in _EVERYWHERE) == everywhere and argument.show:
            names = ", ".join(f"`{name}`" for name in argument.names if not name.startswith("--no-"))
            rows.append(f"| {names} | {(argument.parameter.help or '').strip()} |\n")
    return "| option | meaning |\n|---|---|\n" + "".join(rows) if rows else ""
