"""Strategies in files: those that others made, and ``strategies/strategies_latest.json`` of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from barograph.errors import DataError, UsageError
from barograph.research.plan import Plan
from barograph.strategies.strategy import Strategy, from_json


class Named(NamedTuple):
    """A strategy and the name that it goes by: its own id, or the one that a file gave it."""

    id: str
    strategy: Strategy


class StrategyFile(NamedTuple):
    """A file of strategies.

    Attributes:
        plan: the study that it begins; None when the file came from elsewhere.
        data_hash: of the data that the study was made for.
    """

    strategies: tuple[Named, ...]
    plan: Plan | None = None
    data_hash: str = ""


def named(strategies: Iterable[Strategy]) -> tuple[Named, ...]:
    """Strategies under their own ids."""
    return tuple(Named(strategy.id, strategy) for strategy in strategies)


def decode(data: bytes, name: str) -> StrategyFile:
    """The strategies of a file, in any of its forms.

    - ``{"a": [0, 1, ...], "b": [...]}``: external arrays, one value a bar: 0 flat, 1 long, -1 short;
    - ``[{"id": "a", "signals": [0, 1, ...]}, ...]``: the same;
    - ``[{"family": "sma_cross", "params": {...}}, ...]``: families, ``id`` where one is wanted;
    - what ``barograph research generate`` writes.

    >>> decode(b'{"a": [0, 1, 1]}', "mine.json").strategies[0].strategy.params
    {'signals': '011'}

    Raises:
        DataError: it has no such form; the message names the strategy.
    """
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{name} is not JSON: {error}") from None
    if isinstance(value, dict) and isinstance(value.get("strategies"), list):
        return _own(value, name)
    entries = _entries(value, name)
    return StrategyFile(_distinct([_strategy(entry, name) for entry in entries], name))


def encode(file: StrategyFile, version: str) -> bytes:
    """``strategies_latest.json``: the study's settings, then one strategy a line."""
    assert file.plan is not None
    head = {
        "version": version,
        "seed": file.plan.seed,
        "data_hash": file.data_hash,
        "settings": file.plan,
    }
    lines = ",\n".join(_line(entry) for entry in file.strategies)
    return f'{msgspec.json.encode(head).decode()[:-1]},\n"strategies":[\n{lines}\n]}}\n'.encode()


def _line(entry: Named) -> str:
    own = entry.strategy.json.decode()
    return f'{{"id":{msgspec.json.encode(entry.id).decode()},{own[1:]}'


def _own(value: dict[str, Any], name: str) -> StrategyFile:
    strategies = _distinct([_strategy(entry, name) for entry in value["strategies"]], name)
    if "settings" not in value:
        return StrategyFile(strategies)
    try:
        plan = msgspec.convert(value["settings"], Plan)
    except msgspec.ValidationError as error:
        raise DataError(f"{name}: its settings cannot be read: {error}; generate it again") from None
    return StrategyFile(strategies, plan, str(value.get("data_hash") or ""))


def _entries(value: Any, name: str) -> Sequence[Any]:
    if isinstance(value, dict):
        return [{"id": key, "signals": signals} for key, signals in value.items()]
    if isinstance(value, list):
        return value
    raise DataError(
        f"{name} holds {type(value).__name__}; it must be "
        '{"id": [0, 1, ...]}, [{"id": ..., "signals": [...]}] or [{"family": ..., "params": ...}]'
    )


def _strategy(entry: Any, name: str) -> Named:
    if not isinstance(entry, Mapping):
        raise DataError(f"{name}: {str(entry)[:40]!r} is no strategy; it must be an object")
    fields = dict(entry)
    given = str(fields.pop("id", fields.pop("strategy_id", "")))
    if "signals" in fields:
        array = _array(fields.pop("signals"), given, name)
        side = "both" if "-" in array else "long"
        fields = {"family": "signals", "params": {"signals": array}, "side": side, **fields}
    try:
        strategy = from_json(fields)
    except msgspec.ValidationError as error:
        raise DataError(f"{name}: strategy {given or '?'}: {error}") from None
    try:
        strategy = _checked(strategy)
    except UsageError as error:
        raise DataError(f"{name}: strategy {given or strategy.id}: {error}") from None
    return Named(given or strategy.id, strategy)


def _checked(strategy: Strategy) -> Strategy:
    from barograph.strategies.families import check

    return check(strategy)


def _array(signals: Any, given: str, name: str) -> str:
    from barograph.strategies.families.signals import digits

    if isinstance(signals, str):
        return signals
    try:
        return digits(signals)
    except (UsageError, ValueError, TypeError) as error:
        raise DataError(f"{name}: strategy {given or '?'}: {error}") from None


def _distinct(strategies: list[Named], name: str) -> tuple[Named, ...]:
    if not strategies:
        raise DataError(f"{name} holds no strategy")
    seen: set[str] = set()
    for entry in strategies:
        if entry.id in seen:
            raise DataError(f"{name}: two strategies are called {entry.id}; each needs an id of its own")
        seen.add(entry.id)
    return tuple(strategies)
