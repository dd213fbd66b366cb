"""Symbols change while the connection stands."""

from __future__ import annotations

from pathlib import Path

from ..house import settings_of
from .venues import Case, Scene, everywhere, scene, settings_for, symbols_setting


def follow(it: Scene, *symbols: str) -> None:
    """Have these symbols recorded from now on; wait until the venue knows."""
    named = settings_for(it.case, it.served) | {symbols_setting(it.case): symbols}
    it.house.reload(settings_of(it.house.data, **named))
    it.served.until(
        lambda: [client.trades for client in it.served.server.connections.values()] == [set(symbols)]
    )


@everywhere
def test_a_reload_changes_symbols_without_dropping_the_connection(case: Case, tmp_path: Path) -> None:
    with scene(case, tmp_path, **{symbols_setting(case): (case.symbol,)}) as it:
        it.trade(3)
        follow(it, case.symbol, case.other)
        it.trade(3)
        it.trade(3, case.other)
        it.all_stored()
        it.all_stored(case.other)
        follow(it, case.other)
        it.trade(4)
        it.trade(4, case.other)
        it.all_stored(case.other)
        it.house.caught_up()
        assert it.stored() == [1, 2, 3, 4, 5, 6]
        assert it.opened() == 1
        assert it.house.stats.feeds[case.feed].symbols == 1
