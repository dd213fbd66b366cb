"""``barograph rebuild``."""

from __future__ import annotations

from barograph.cli.asking import agreed
from barograph.cli.commands.replay import rebuild_tables, replay_fields
from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.errors import UsageError


def rebuild(*, yes: bool = False, dry_run: bool = False, common: Options = DEFAULTS) -> None:
    """Make every table again from the whole tape.

    Needed after a change of what shapes rows ([bars], [anomalies]). The old tables can be
    read until the new ones are whole; then they are replaced.

    Parameters
    ----------
    yes
        Do not ask.
    dry_run
        Only say what would be done.
    """
    from barograph.store.opening import Location
    from barograph.tape import TapeReader

    settings = common.settings()
    where = Location.of(settings)
    reader = TapeReader(settings.data_dir / "tape")
    plan = {
        "tape": str(reader.path),
        "records": reader.end - reader.begin,
        "replaces": str(where.lake if where.address is None else where),
    }
    if dry_run:
        write_object({"dry_run": True, **plan}, as_json=common.json)
        return
    if not yes and not agreed(
        f"make all tables in {plan['replaces']} again from {plan['records']:,} records?"
    ):
        raise UsageError("nothing was changed; say --yes to rebuild without being asked")
    write_object(replay_fields(rebuild_tables(settings, common)), as_json=common.json)
