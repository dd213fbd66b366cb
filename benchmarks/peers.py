"""Environments for what we are measured against, made once, beside our own.

    python -m benchmarks.peers          # make all that are missing
    python -m benchmarks.peers decoders # make one, and print its interpreter

They lie in ``.venv/peers`` (``make clean`` removes them). A peer that is measured in one
process with us (``decoders``) gets an environment that also sees ours; one whose pins
contradict ours (``nautilus`` wants pandas below 3) sees nothing but itself.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / ".venv" / "peers"


@dataclass(frozen=True)
class Environment:
    """Packages, as pip is told them, and whether our own environment is seen from there."""

    packages: tuple[str, ...]
    sees_ours: bool


ENVIRONMENTS = {
    "backtests": Environment(
        ("backtesting>=0.6.6", "backtrader>=1.9.78", "holdout-backtest>=0.1", "vectorbt[rust]>=1.2"),
        sees_ours=True,
    ),
    "decoders": Environment(("cryptofeed>=2.4", "kiteconnect>=5"), sees_ours=True),
    "nautilus": Environment(("nautilus_trader>=1.220",), sees_ours=False),
}


def python_of(name: str) -> Path:
    """The interpreter of environment ``name``, which is made when it is not there yet."""
    place = FOLDER / name
    stamp = place / "made"
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    environment = ENVIRONMENTS[name]
    if stamp.exists() and stamp.read_text() == repr(environment):
        return python
    sys.stderr.write(f"making the environment {place} with {', '.join(environment.packages)}\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
    if environment.sees_ours:
        _show_ours(python)
    install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*install, *environment.packages], check=True, stdout=sys.stderr)
    stamp.write_text(repr(environment))
    return python


def _show_ours(python: Path) -> None:
    """Put our packages behind the environment's own. ``addsitedir`` also follows our editable install."""
    ours = sysconfig.get_path("purelib")
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    theirs = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    Path(theirs, "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")


if __name__ == "__main__":
    for each in sys.argv[1:] or ENVIRONMENTS:
        print(python_of(each))
