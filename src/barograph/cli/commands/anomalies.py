"""``barograph anomalies [train | score | list | promote | drift]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from cyclopts import App, Parameter

from barograph.cli.commands import read
from barograph.cli.options import DEFAULTS, Options, Words, split
from barograph.cli.output import write_object, write_records
from barograph.cli.tables import SHOWN_ROWS, store_of, tell_left_out
from barograph.cli.times import iso_ns, moment_us
from barograph.cli.verbs import VERBS
from barograph.clock import NS_PER_US, from_us
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.anomalies.models import Reference, Registry, Rows
    from barograph.anomalies.models.card import Card
    from barograph.anomalies.models.model import Model
    from barograph.settings import Settings


def train(  # noqa: PLR0913 - a flag is a parameter
    *,
    model: Literal["isolation-forest"] = "isolation-forest",
    symbols: Words = None,
    start: str | None = None,
    end: str | None = None,
    name: str | None = None,
    trees: int = 100,
    samples: int = 4_096,
    share: float = 0.005,
    seed: int = 0,
    common: Options = DEFAULTS,
) -> None:
    """Train a model on stored minutes, and keep it as a version below models/ in the data directory.

    Each minute is looked at beside the hour before it, never beside what came later. The same
    minutes, parameters and seed give the same version. Needs barograph[research].

    Parameters
    ----------
    model
        The kind of model.
    symbols
        One or more symbols, with commas or spaces; all that are stored when absent.
    start
        First minute, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Minute to stop before.
    name
        What to call it; the kind of model when absent.
    trees
        Trees of the forest.
    samples
        Minutes that each tree is grown on.
    share
        The share of the training minutes that shall count as anomalies: sets the threshold.
    seed
        Where everything random comes from.
    """
    from barograph.anomalies.models import Parameters
    from barograph.anomalies.models import train as trained
    from barograph.cli.progress import progress

    settings = common.settings()
    registry = _registry(settings)
    with store_of(settings) as store, progress("training", quiet=common.quiet):
        reference = trained(
            store,
            registry,
            _wanted(settings, symbols, start, end),
            Parameters(trees, samples, share, seed),
            name or model,
        )
    card = registry.card(reference)
    write_object(
        {
            "model": str(reference),
            "folder": str(registry.folder / reference.name / reference.version),
            **_summary(card),
            "data_hash": card.data_hash,
        },
        as_json=common.json,
    )
    common.remark(f"next: barograph anomalies promote {reference}")


def score(
    model: str | None = None,
    /,
    *,
    symbols: Words = None,
    start: str | None = None,
    end: str | None = None,
    all: bool = False,
    csv: bool = False,
    rows: int = SHOWN_ROWS,
    common: Options = DEFAULTS,
) -> None:
    """What a model finds in stored minutes, the most unusual first; nothing is written to the tables.

    Parameters
    ----------
    model
        NAME or NAME/VERSION as barograph anomalies list shows it; the promoted one when absent.
    symbols
        One or more symbols, with commas or spaces; those that it was trained on when absent.
    start
        First minute, UTC: 2024-08-08 or 2024-08-08T13:35.
    end
        Minute to stop before.
    all
        Every minute with its score, in the order of time.
    csv
        Print CSV, with a header.
    rows
        Rows shown on a terminal; 0 shows all.
    """
    settings = common.settings()
    registry = _registry(settings)
    reference = _chosen(registry, model)
    version = registry.model(reference)
    found = _minutes(settings, version, symbols, start, end)
    made = list(_scored(found, version, all))
    names = ["ts", "venue", "symbol", "score", "threshold", *version.features]
    form = common.form(csv)
    shown = made[:rows] if form == "table" and rows else made
    write_records(shown, names, form)
    tell_left_out(len(made) - len(shown), common)


def list_(*, csv: bool = False, common: Options = DEFAULTS) -> None:
    """Every version of every model, the latest made last, and which one counts.

    Parameters
    ----------
    csv
        Print CSV, with a header.
    """
    settings = common.settings()
    registry = _registry(settings)
    promoted = registry.promoted()
    rows = [
        {
            "model": str(each),
            "promoted": promoted is not None and promoted.version == str(each),
            **_summary(registry.card(each)),
        }
        for each in registry.versions()
    ]
    names = ["model", "promoted", "symbols", "first", "last", "rows", "threshold", "above"]
    write_records(rows, names, common.form(csv))
    if not rows:
        common.remark("no models yet; barograph anomalies train makes one")


def promote(model: str | None = None, /, *, none: bool = False, common: Options = DEFAULTS) -> None:
    """Let a model judge every minute that closes from now on; a running recorder follows within seconds.

    What counts is written to the tape, so that a rebuild finds what was found live. A recorder
    that is not running takes it up at its next start.

    Parameters
    ----------
    model
        NAME or NAME/VERSION as barograph anomalies list shows it.
    none
        No model from now on.
    """
    if (model is None) != none:
        raise UsageError("say which model: barograph anomalies promote NAME/VERSION, or --none for no model")
    registry = _registry(common.settings())
    promoted = registry.promote(None if model is None else registry.find(model))
    write_object({"promoted": promoted.version, "digest": promoted.digest or None}, as_json=common.json)


def drift(
    model: str | None = None,
    /,
    *,
    symbols: Words = None,
    start: str | None = None,
    end: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """How far the market has moved from what a model was trained on: each feature then and now.

    psi is the population stability index: below 0.1 steady, from 0.25 on gone, in between moved.

    Parameters
    ----------
    model
        NAME or NAME/VERSION as barograph anomalies list shows it; the promoted one when absent.
    symbols
        One or more symbols, with commas or spaces; those that it was trained on when absent.
    start
        First minute, UTC; the first after the training span when absent.
    end
        Minute to stop before.
    """
    from barograph.anomalies.models import drift as measured
    from barograph.clock import MINUTE_US

    settings = common.settings()
    registry = _registry(settings)
    reference = _chosen(registry, model)
    version, card = registry.model(reference), registry.card(reference)
    later = start or from_us(card.last_us + MINUTE_US).isoformat()
    made = measured(card, version, _minutes(settings, version, symbols, later, end))
    rows = [each._asdict() | {"verdict": each.verdict} for each in made.features]
    told = {
        "model": str(reference),
        "rows": made.rows,
        "above_trained": made.above_trained,
        "above": made.above,
    }
    if common.json:
        write_object(told | {"features": rows}, as_json=True)
        return
    names = ["feature", "psi", "by_chance", "trained", "now", "missing", "verdict"]
    write_records([_short(row) for row in rows], names, common.form())
    common.remark(
        f"{reference}: {100 * made.above:.2f} % of {made.rows:,} minutes reach the threshold, "
        f"{100 * made.above_trained:.2f} % did in training"
    )


def _registry(settings: Settings) -> Registry:
    from barograph.anomalies.models import Registry

    return Registry.of(settings.data_dir)


def _chosen(registry: Registry, text: str | None) -> Reference:
    """The version meant, the promoted one where none is named."""
    if text is not None:
        return registry.find(text)
    promoted = registry.promoted()
    if promoted is None or promoted.version is None:
        raise UsageError("no model is promoted; name one: barograph anomalies list shows all")
    return registry.find(promoted.version)


def _wanted(settings: Settings, symbols: list[str] | None, start: str | None, end: str | None) -> Any:
    from barograph.anomalies.models import Wanted
    from barograph.cli.tables import require_known

    chosen = split(symbols)
    for symbol in chosen:
        require_known(settings, symbol)
    return Wanted(chosen or None, moment_us(start, "--start"), moment_us(end, "--end"))


def _minutes(
    settings: Settings, model: Model, symbols: list[str] | None, start: str | None, end: str | None
) -> Rows:
    from barograph.anomalies.models import read_rows

    with store_of(settings) as store:
        return read_rows(store, _wanted(settings, symbols or list(model.symbols), start, end))


def _scored(found: Rows, model: Model, every: bool) -> Iterator[dict[str, Any]]:
    """Minutes with their scores and features: those that reach the threshold, or all."""
    import numpy as np

    scores = model.scores(found.features)
    order = np.lexsort((found.ts_us,)) if every else np.argsort(-scores, kind="stable")
    for k in order.tolist():
        if every or scores[k] >= model.threshold:
            features = zip(model.features, found.features[k].tolist(), strict=True)
            yield {
                "ts": iso_ns(int(found.ts_us[k]) * NS_PER_US),
                "venue": found.venue[k],
                "symbol": found.symbol[k],
                "score": float(scores[k]),
                "threshold": model.threshold,
                **{name: None if np.isnan(value) else round(value, 6) for name, value in features},
            }


def _summary(card: Card) -> dict[str, Any]:
    return {
        "symbols": " ".join(card.symbols),
        "first": f"{from_us(card.first_us):%Y-%m-%dT%H:%M}Z",
        "last": f"{from_us(card.last_us):%Y-%m-%dT%H:%M}Z",
        "rows": card.rows,
        "threshold": round(card.threshold, 6),
        "above": round(card.metrics.above, 6),
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _head() -> App:
    """The verb that has others below it: by itself it reads the table."""
    app = App(name="anomalies", default_parameter=Parameter(negative=()))
    app.default(read.anomalies)
    for verb in VERBS:
        if verb.group == "anomalies":
            app.command(f"barograph.cli.commands.{verb.target}", name=verb.name, help=verb.help)
    return app


anomalies = _head()
