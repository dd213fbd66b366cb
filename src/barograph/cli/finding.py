"""What a check of the house has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``note`` is worth knowing and no fault."""

    about: str
    state: Literal["ok", "note", "wrong"]
    message: str
    remedy: str = ""
