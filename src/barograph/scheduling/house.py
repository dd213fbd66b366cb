"""How Barograph is run on this machine: the program, its files, and on whose account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
_STATE = Path("/var/lib/barograph")


@dataclass(frozen=True, slots=True)
class House:
    """What a unit must know of the machine.

    Attributes:
        command: the words that run Barograph, the first an absolute path.
        data: the data directory, absolute.
        config: the settings file, absolute; None: there is none.
        account: the system account that it runs as; None: units of one's own service manager.
        writable: other places that it writes to.
    """

    command: tuple[str, ...]
    data: Path
    config: Path | None = None
    account: str | None = None
    writable: tuple[Path, ...] = ()

    def run(self, *words: str) -> str:
        """A command line of systemd for a verb, with the options that every verb takes.

        >>> House(("/opt/b/bin/barograph",), Path("/srv/my data")).run("record")
        '/opt/b/bin/barograph record --data "/srv/my data"'
        """
        where = () if self.config is None else ("--config", str(self.config))
        return " ".join(map(quoted, (*self.command, *words, *where, "--data", str(self.data))))

    @property
    def at_home(self) -> bool:
        """Whether anything of it lies where people live, which services usually do not see."""
        own = [self.data, *self.writable, Path(self.command[0]), *([self.config] if self.config else [])]
        return any(path.is_relative_to(home) for path in own for home in _HOMES)

    @property
    def kept_by_systemd(self) -> bool:
        """Whether the data directory is the one that systemd makes for a service of this name."""
        return self.account is not None and self.data == _STATE


def quoted(word: str) -> str:
    r"""A word as it must stand in a line of a unit that is split into words.

    >>> quoted("plain"), quoted("two words"), quoted("100 % $HOME")
    ('plain', '"two words"', '"100 %% $$HOME"')
    """
    safe = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{safe}"' if not word or any(sign.isspace() or sign in "\"';\\" for sign in word) else safe


def one_path(path: Path) -> str:
    """A path as it must stand in a line of a unit that takes one: to the line's end, quotes and all."""
    return str(path).replace("%", "%%")


def among_paths(path: Path) -> str:
    """A path as it must stand in a line of a unit that takes several."""
    text = str(path).replace("\\", "\\\\").replace("%", "%%").replace('"', '\\"')
    return f'"{text}"' if any(sign.isspace() for sign in text) else text
