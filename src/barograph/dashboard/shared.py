"""What the dashboard of this process shows, handed from the command to the script that draws.

It goes from hand to hand inside the process: no secret stands on a command line or in the environment.
Nothing heavy is imported here: it is called before the server is there.
"""

from __future__ import annotations

from barograph.settings import Settings

_handed: list[Settings] = []


def hand_over(settings: Settings) -> None:
    """Say what is shown, before the server starts."""
    _handed[:] = [settings]


def handed_over() -> Settings:
    """What is shown: as the command said; those of this folder where the script is run by itself."""
    if not _handed:
        hand_over(Settings.load())
    return _handed[0]
