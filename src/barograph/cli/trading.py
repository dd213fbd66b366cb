"""What ``barograph trade`` trades: settings and files of strategies as a plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from barograph.errors import DataError, UsageError

if TYPE_CHECKING:
    from barograph.recorder.trading.specs import BarStrategy, Market, Plan, TickStrategy
    from barograph.settings import Settings
    from barograph.settings.trading import TradeSection
    from barograph.strategies.strategy import Strategy

DIP = "dip"
"""The name under which the tick strategy is asked for; everything else is a file."""
SHARED = ("cash-ticks", "cash-bars")
"""The accounts of ``share = "all"``."""


def plan_of(settings: Settings, name: str | None = None) -> Plan:
    """The plan that the settings ask for.

    Args:
        name: what to call the one strategy, in place of its own name.

    Raises:
        UsageError, DataError: nothing to trade, no such venue, a file without strategies, impossible bounds.
    """
    from barograph.feeds.registry import feed
    from barograph.recorder.trading.specs import Market, Plan

    trade = settings.trade
    if name is not None and len(trade.strategies) != 1:
        raise UsageError(f"--name needs one --strategy to belong to, there are {len(trade.strategies)}")
    for venue in trade.venues:
        feed(venue)  # one that there is not would never trade, and say nothing
    market = Market(venues=trade.venues, symbols=trade.symbols)
    ticks = [_tick(trade, name or DIP) for asked in trade.strategies if asked == DIP]
    named = [one for asked in trade.strategies if asked != DIP for one in _from_file(Path(asked))]
    if name is not None and named:
        named = [(name, named[0][1]), *named[1:]]
    return Plan(ticks=tuple(ticks), bars=tuple(_bars(trade, market, named)), market=market)


def _tick(trade: TradeSection, name: str) -> TickStrategy:
    from barograph.paper.dip import Dip
    from barograph.paper.purse import Terms
    from barograph.recorder.trading.specs import TickStrategy

    terms = Terms(
        fee_bps=trade.fee_bps,
        slippage_bps=trade.slippage_bps,
        spread=trade.spread,
        cash=trade.cash,
        sizing=trade.sizing,
        size=trade.size,
        year_s=trade.minutes_per_year * 60.0,
        max_exposure=trade.max_exposure,
        orders_per_minute=trade.orders_per_minute,
        daily_loss_pct=trade.daily_loss_pct,
    )
    dip = Dip(**trade.dip.model_dump())
    return TickStrategy(name=name, dip=dip, terms=terms, account=SHARED[0] if trade.share == "all" else "")


def _bars(trade: TradeSection, market: Market, named: list[tuple[str, Strategy]]) -> list[BarStrategy]:
    from barograph.recorder.trading.specs import BarStrategy, Member

    more: dict[str, Any] = {"costs": _costs(trade), "bounds": _bounds(trade)}
    sized = [(name, _sized(strategy, trade)) for name, strategy in named]
    if trade.share == "each":
        return [BarStrategy(name=name, members=(Member(name, strategy),), **more) for name, strategy in sized]
    if not sized:
        return []
    if len(market.venues) != 1 or not market.symbols:
        raise UsageError(
            "bar strategies that share an account need to know their symbols: give one --feed and --symbols"
        )
    members = tuple(
        Member(name, strategy, market.venues[0], symbol)
        for name, strategy in sized
        for symbol in market.symbols
    )
    return [BarStrategy(name=SHARED[1], members=members, **more)]


def _costs(trade: TradeSection) -> Any:
    from barograph.strategies.trading import Costs

    return Costs(fee_bps=trade.fee_bps, slippage_bps=trade.slippage_bps, spread=trade.spread, cash=trade.cash)


def _bounds(trade: TradeSection) -> Any:
    from barograph.strategies.guard import Bounds

    loss = None if trade.daily_loss_pct is None else trade.daily_loss_pct / 100.0
    return Bounds(
        cash_per_entry=trade.size if trade.sizing == "cash" else None,
        volatility_target=trade.size if trade.sizing == "volatility" else None,
        bars_per_year=trade.minutes_per_year if trade.sizing == "volatility" else None,
        max_exposure=trade.max_exposure,
        max_orders_per_hour=trade.orders_per_hour,
        max_daily_loss=loss,
        flatten_on_loss=trade.flatten_on_loss and loss is not None,
        max_holding_bars=trade.longest_bars,
    )


def _sized(strategy: Strategy, trade: TradeSection) -> Strategy:
    """A file's own size counts within the account's fraction."""
    import msgspec

    if trade.sizing != "fraction" or trade.size == 1.0:
        return strategy
    return msgspec.structs.replace(strategy, size=strategy.size * trade.size)


def _from_file(path: Path) -> list[tuple[str, Strategy]]:
    """Strategies and their names out of a file; also ``best_strategy.json`` of a study.

    Raises:
        UsageError: no such file. DataError: it holds no strategies, or some that need all bars at once.
    """
    import msgspec

    from barograph.research.strategy_files import decode

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"there is no strategy {str(path)!r}; say dip, or name a file of strategies"
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not JSON: {error}") from None
    if isinstance(value, dict) and isinstance(value.get("strategy"), dict):
        data = msgspec.json.encode([value["strategy"]])
    elif isinstance(value, dict) and "family" in value:
        data = msgspec.json.encode([value])
    return [(_name(one.id, one.strategy), one.strategy) for one in decode(data, str(path)).strategies]


def _name(given: str, strategy: Strategy) -> str:
    return f"{strategy.family}-{strategy.id}" if given == strategy.id else given
