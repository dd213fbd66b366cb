"""Which backups to take, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

from barograph.errors import DataError
from barograph.vault.listing import Catalogue
from barograph.vault.manifest import Manifest, moment_id

_ANEW = (
    "the backups are of another content than the store (the tables were made again, or set back): "
    "it is emptied and filled anew"
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync takes.

    Attributes:
        rows: backups whose rows are taken, in their order.
        rest: the others since, of which trades and users' own tables are taken.
        anew: the store has to be emptied first: it holds another content, or another branch of it.
        why: a word to the person, where it is not the usual course.
    """

    rows: tuple[Manifest, ...]
    rest: tuple[Manifest, ...] = ()
    anew: bool = False
    why: str = ""

    @property
    def steps(self) -> list[tuple[Manifest, bool]]:
        """All backups to take, ascending, and whether with rows."""
        both = [*((each, True) for each in self.rows), *((each, False) for each in self.rest)]
        return sorted(both, key=lambda step: (step[0].id, step[0].next_pos))

    @property
    def bytes(self) -> int:
        """Bytes of all files, about."""
        return sum(file.bytes for manifest, _ in self.steps for file in manifest.files)


def newest(catalogue: Catalogue, until_us: int | None = None) -> Manifest:
    """The newest backup of the tables, at or before a moment.

    Raises:
        DataError: there is none, or one after the newest full one has a manifest that is damaged.
    """
    limit = moment_id(until_us) if until_us is not None else None
    found = [each for each in catalogue.of_rows if limit is None or each.id <= limit]
    fulls = [each.id for each in found if each.full]
    if not fulls:
        before = f" at or before {limit}" if limit else ""
        damaged = "".join(f"; {why}" for why in catalogue.damaged.values())
        raise DataError(
            f"there is no full backup{before}{damaged}; `barograph backup list` shows what there is"
        )
    for folder, why in catalogue.damaged.items():
        moment = folder.partition("/")[2]
        if not folder.startswith("hourly-raw") and moment > fulls[-1] and (limit is None or moment <= limit):
            raise DataError(f"{why}. What was before it can be restored: --to-time {found_before(moment)}")
    return found[-1]


def found_before(moment: str) -> str:
    """An id as the text of a moment just before it, for ``--to-time``.

    >>> found_before("2026-11-20T103000Z")
    '2026-11-20T10:29:59Z'
    """
    from barograph.clock import US_PER_S, from_us
    from barograph.vault.manifest import moment_us

    return f"{from_us(moment_us(moment) - US_PER_S):%Y-%m-%dT%H:%M:%SZ}"


def restorable(catalogue: Catalogue, until_us: int | None = None) -> tuple[Manifest, ...]:
    """The newest full backup at or before a moment and all that follows it up to then.

    Raises:
        DataError: something of it is missing.
    """
    last = newest(catalogue, until_us)
    wrong = catalogue.problem(last)
    if wrong:
        others = [each for each in catalogue.of_rows if each.id < last.id and not catalogue.problem(each)]
        remedy = (
            f"the newest that is whole is {others[-1].folder}: --to-time {_moment(others[-1].id)}"
            if others
            else "no other backup there is whole; look for another copy of the backups"
        )
        raise DataError(f"{last.folder} cannot be restored: {wrong}; {remedy}")
    return catalogue.chain(last)


def unfinished_after(catalogue: Catalogue, chain: tuple[Manifest, ...]) -> tuple[str, ...]:
    """Folders without a manifest that are newer than the chain's beginning: interrupted, or damaged."""
    return tuple(
        folder
        for folder in catalogue.unfinished
        if not folder.startswith("hourly-raw") and folder.partition("/")[2] > chain[0].id
    )


def plan_sync(catalogue: Catalogue, lineage: str, committed: int, last: str) -> Plan:
    """What brings a store that holds ``lineage`` up to ``committed`` to the newest backup.

    Args:
        last: id of the backup that was taken last; empty when that is not known.

    Raises:
        DataError: something that is needed is missing.
    """
    goal = newest(catalogue)
    same = _line(catalogue, goal)
    strayed = _has_strayed(catalogue, same, lineage, committed, last)
    if lineage and (lineage != goal.lineage or strayed):
        return Plan(_way(catalogue, same, 0, goal), anew=True, why=_ANEW)
    if lineage and committed > goal.next_pos:
        return Plan((), (), why="the store is ahead of the backups")
    rows = _way(catalogue, same, committed if lineage else 0, goal)
    why = ""
    if lineage and any(each.full and each.next_pos > committed for each in rows):
        why = "a backup in between has been pruned, so the newest full one is taken"
    taken = {each.id for each in rows}
    rest = [each for each in same if each.id > last and each.id not in taken and each.kind == "daily"]
    return Plan(rows, tuple(rest) if lineage else (), why=why)


def _line(catalogue: Catalogue, goal: Manifest) -> list[Manifest]:
    """The backups of the content as it is now, ascending: a store that was set back has left others behind.

    Before a weekly comes what reached no further. A daily that is full, after others, begins a line.
    """
    same = [each for each in catalogue.of_rows if each.lineage == goal.lineage]
    line = [goal]
    while True:
        at = line[-1]
        if at.follows is not None:
            before = [each for each in same if each.id == at.follows]
        elif at.kind == "weekly":
            before = [each for each in same if each.id < at.id and each.next_pos <= at.next_pos]
        else:
            before = []
        if not before:
            return line[::-1]
        line.append(before[-1])


def _has_strayed(catalogue: Catalogue, line: list[Manifest], lineage: str, committed: int, last: str) -> bool:
    """Whether the store was brought to a backup that the content as it is now does not go on from."""
    others = [each for each in catalogue.of_rows if each.lineage == lineage and each not in line]
    if last:
        return any(each.id == last for each in others)
    return committed in {each.next_pos for each in others} - {each.next_pos for each in line}


def _way(catalogue: Catalogue, same: list[Manifest], start: int, goal: Manifest) -> tuple[Manifest, ...]:
    """The backups that lead from ``start`` to the goal's position with the fewest bytes to fetch.

    A backup leads to its end from every position that it begins at or before.
    """
    best: dict[int, tuple[int, tuple[Manifest, ...]]] = {start: (0, ())}
    for each in sorted(same, key=lambda each: (each.next_pos, each.id)):
        if each.next_pos <= start or catalogue.missing(each):
            continue
        cost = sum(file.bytes for file in each.files)
        ways = [
            (spent + cost, (*way, each))
            for pos, (spent, way) in best.items()
            if each.from_pos <= pos < each.next_pos
        ]
        if each.next_pos in best:
            ways.append(best[each.next_pos])
        if ways:
            best[each.next_pos] = min(ways, key=lambda way: (way[0], len(way[1])))
    if goal.next_pos not in best:
        raise DataError(
            f"no way leads from position {start} to {goal.folder}: {catalogue.problem(goal) or 'a gap'}; "
            "take a full backup (`barograph backup run --kind weekly`), then sync again"
        )
    return best[goal.next_pos][1]


def _moment(moment: str) -> str:
    from barograph.clock import from_us
    from barograph.vault.manifest import moment_us

    return f"{from_us(moment_us(moment)):%Y-%m-%dT%H:%M:%SZ}"
