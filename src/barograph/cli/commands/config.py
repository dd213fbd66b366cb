"""``barograph config show``."""

from __future__ import annotations

from pathlib import Path

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_records


def show(*, common: Options = DEFAULTS) -> None:
    """Every setting, its value and where it came from. Secrets are masked."""
    from barograph.settings import FILE_NAME

    settings = common.settings()
    rows = [
        {"setting": entry.name, "value": entry.value, "from": str(entry.origin)}
        for entry in settings.explain()
    ]
    form = common.form()
    if form == "table":
        for row in rows:
            row["value"] = "-" if row["value"] is None else _text(row["value"])
    write_records(rows, ["setting", "value", "from"], form)
    if common.config is None and not Path(FILE_NAME).exists():
        common.remark(f"there is no {FILE_NAME} here; 'barograph init' writes one")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
