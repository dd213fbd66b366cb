"""Where a setting's value came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Path: TypeAlias = tuple[str, ...]
"""A setting's place in the tree: ``("tape", "fsync_interval_s")``."""

MASK = "********"
"""Stands for a secret wherever settings are printed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """``where`` is ``FILE:LINE``, the variable's name or the flag; empty for a default."""

    kind: Literal["default", "file", "environment", "flag"]
    where: str = ""

    def __str__(self) -> str:
        """As ``config show`` prints it.

        >>> str(Origin("environment", "POLYGON_API_KEY"))
        'environment POLYGON_API_KEY'
        """
        return self.where if self.kind == "file" else f"{self.kind} {self.where}".strip()


@dataclass(frozen=True, slots=True)
class Explained:
    """One setting as it is in force; a secret's ``value`` is masked."""

    name: str
    value: object
    origin: Origin
    help: str


def dotted(path: Path) -> str:
    """``path`` as people write it: ``tape.fsync_interval_s``."""
    return ".".join(path)
