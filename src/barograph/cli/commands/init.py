"""``barograph init``."""

from __future__ import annotations

from pathlib import Path

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.errors import UsageError


def init(folder: Path = Path(), /, *, common: Options = DEFAULTS) -> None:
    """Write a commented barograph.toml with every setting and its default.

    An existing file is never overwritten.

    Parameters
    ----------
    folder
        Where to write it; made when it does not exist.
    """
    from barograph.settings import FILE_NAME, template

    file = folder / FILE_NAME
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8", newline="\n") as new:
            new.write(template())
    except FileExistsError:
        raise UsageError(
            f"{file} exists and is not overwritten; move it away first, or name another folder"
        ) from None
    write_object({"written": str(file)}, as_json=common.json)
    common.remark("next: barograph demo, or barograph config show")
