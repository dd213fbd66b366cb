"""The parser, filled from the table of verbs. Their modules are imported when called."""

from __future__ import annotations

from cyclopts import App, Group, Parameter

from barograph import __version__
from barograph.cli.verbs import ABOUT, CHAPTERS, EPILOGUE, HEADS, VERBS

app = App(
    name="barograph",
    help=ABOUT,
    help_epilogue=EPILOGUE,
    version=__version__,
    help_format="plaintext",  # Markdown would load its parser and a highlighter
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)


def _fill() -> None:
    chapters = {name: Group.create_ordered(name) for name in CHAPTERS}
    groups = {"": app}
    for verb in VERBS:
        if verb.group in HEADS:
            continue  # its group is a verb too, whose module fills it
        parent, chapter = groups[verb.group], chapters.get(verb.chapter)
        if verb.target:
            target = f"barograph.cli.commands.{verb.target}"
            parent.command(target, name=verb.name, help=verb.help, group=chapter)
        else:
            groups[verb.name] = App(
                name=verb.name, help=verb.help, group=chapter, default_parameter=Parameter(negative=())
            )
            parent.command(groups[verb.name])


_fill()
