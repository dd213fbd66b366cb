"""Documents say what the code does: verbs, settings, commands and links are checked against it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from barograph.cli.app import app
from barograph.cli.reference import cli_reference, settings_reference, verbs
from barograph.settings import PLAIN_NAMES, RESERVED_NAMES

ROOT = Path(__file__).resolve().parents[2]
MARK = "; BAROGRAPH_WRITE_DOCS=1 pytest tests/docs writes it again -->\n"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(document: Path) -> Iterator[list[str]]:
    """The words of every ``barograph`` command in the document's shell blocks."""
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
        for line in lines(block):
            words = line
            while words:
                ends = [index for index, word in enumerate(words) if word in ("&&", "|")] or [len(words)]
                if words[0] == "barograph":
                    yield words[1 : ends[0]]
                words = words[ends[0] + 1 :]


def lines(block: str) -> Iterator[list[str]]:
    """The words of each line; one whose quotation is still open goes on in the next."""
    line = ""
    for part in block.splitlines():
        line += part + "\n"
        try:
            yield shlex.split(line, comments=True)
        except ValueError:
            continue
        line = ""
    assert not line, f"an open quotation: {line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_parses(document: Path) -> None:
    for words in commands(document):
        app.parse_args(words, exit_on_error=False, print_error=False)


def test_there_are_commands_to_check() -> None:
    assert len(list(commands(ROOT / "README.md"))) >= 6
    assert ["doctor"] in commands(ROOT / "docs" / "getting-started.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_document_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", index))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}


def with_reference(text: str, reference: str) -> str:
    """The document with everything below its mark replaced."""
    head, mark, _ = text.partition(MARK)
    assert mark, "the document has lost its mark"
    return head + mark + reference


@pytest.mark.parametrize(
    ("name", "reference"), [("settings.md", settings_reference), ("cli.md", cli_reference)]
)
def test_the_reference_is_what_the_code_says(name: str, reference: Callable[[], str]) -> None:
    file = ROOT / "docs" / name
    expected = with_reference(file.read_text(encoding="utf-8"), reference())
    if os.environ.get("BAROGRAPH_WRITE_DOCS") == "1":
        file.write_text(expected, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == expected, "BAROGRAPH_WRITE_DOCS=1 pytest tests/docs writes it"


def test_every_verb_has_help_and_every_option_too() -> None:
    found = dict(verbs())
    assert {("init",), ("config", "show"), ("tape", "import"), ("lake", "seal"), ("query",)} <= set(found)
    for words, verb in found.items():
        assert verb.help.strip(), words
        for argument in verb.assemble_argument_collection(parse_docstring=True):
            if argument.show:
                assert (argument.parameter.help or "").strip(), (words, argument.names)


def test_every_variable_with_a_name_of_its_own_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in (*PLAIN_NAMES, *RESERVED_NAMES) if f"`{name}`" not in text] == []
