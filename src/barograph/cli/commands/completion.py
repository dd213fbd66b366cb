"""``barograph completion``."""

from __future__ import annotations

from typing import Literal

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import encode, write


def completion(shell: Literal["bash", "zsh", "fish", "powershell"], /, *, common: Options = DEFAULTS) -> None:
    """Print a completion script for your shell.

    For bash: barograph completion bash > ~/.local/share/bash-completion/completions/barograph

    Parameters
    ----------
    shell
        Which shell the script is for.
    """
    from barograph.cli.app import app

    script = app.generate_completion(shell=shell)
    write(encode({"shell": shell, "script": script}) + "\n" if common.json else script)
