"""``barograph replay``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.cli.options import DEFAULTS, Everywhere, Options
from barograph.cli.output import write_object
from barograph.cli.progress import progress

if TYPE_CHECKING:
    from barograph.recorder import ReplayResult
    from barograph.settings import Settings


def replay(*, rebuild: bool = False, common: Options = DEFAULTS) -> None:
    """Bring the tables up to the end of the tape.

    It goes on where the last replay stopped, also after a kill. Running it again over a
    tape that has not grown changes nothing.

    Parameters
    ----------
    rebuild
        Make every table again from the whole tape; the old ones can be read meanwhile.
    """
    settings = common.settings()
    result = rebuild_tables(settings, common) if rebuild else bring_up(settings, common)
    write_object(replay_fields(result), as_json=common.json)


def bring_up(settings: Settings, common: Everywhere) -> ReplayResult:
    """Replay with a progress bar."""
    from barograph import recorder
    from barograph.recorder.shaping import line_settings
    from barograph.store.opening import Location

    with progress("replaying", quiet=common.quiet) as report:
        return recorder.replay(
            settings.data_dir,
            line_settings(settings),
            tables=Location.of(settings),
            stride_records=settings.replay.stride_records,
            progress=report,
        )


def rebuild_tables(settings: Settings, common: Everywhere) -> ReplayResult:
    """Rebuild with a progress bar."""
    from barograph import recorder
    from barograph.recorder.shaping import line_settings
    from barograph.store.opening import Location

    with progress("rebuilding", quiet=common.quiet) as report:
        return recorder.rebuild(
            settings.data_dir,
            line_settings(settings),
            tables=Location.of(settings),
            stride_records=settings.replay.stride_records,
            progress=report,
        )


def replay_fields(result: ReplayResult) -> dict[str, Any]:
    """What a replay did, for people and JSON."""
    import msgspec

    counts = msgspec.structs.asdict(result.counts)
    return {
        "records": result.records,
        "next_pos": result.next_pos,
        "seconds": round(result.seconds, 3),
        **counts,
    }


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below ``folder``, one with two names counted once; 0 where there is none."""
    found = (file.stat() for file in folder.rglob("*") if file.is_file())
    return sum({(stat.st_dev, stat.st_ino): stat.st_size for stat in found}.values())
