"""``GET /v1/studies``: past studies with their verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pyarrow as pa
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from barograph.api.asked import PagingQuery, answered
from barograph.api.described import rows_of
from barograph.api.sources import ListSource
from barograph.errors import StorageError
from barograph.log import get_logger
from barograph.market.frames import frame_of
from barograph.research.files import REPORT, VALIDATION, studies_folder
from barograph.tables import arrow_type

if TYPE_CHECKING:
    import polars as pl

    from barograph.api.answers import Answers

log = get_logger()

_KINDS: dict[str, pa.DataType] = {
    "study": pa.string(),
    "finished": arrow_type("time"),
    "source": pa.string(),
    "symbol": pa.string(),
    "interval": pa.string(),
    "seed": pa.int64(),
    "num_strategies": pa.int64(),
    "tries": pa.int64(),
    "strategy_id": pa.string(),
    "select_by": pa.string(),
    "training_win_rate": pa.float64(),
    "validation_win_rate": pa.float64(),
    "training_sharpe_ratio": pa.float64(),
    "validation_sharpe_ratio": pa.float64(),
    "validation_total_return": pa.float64(),
    "overfit": pa.bool_(),
    "skill": pa.bool_(),
    "verdict": pa.string(),
    "data_hash": pa.string(),
    "has_report": pa.bool_(),
}
SCHEMA = pa.schema(
    [pa.field(name, kind, name not in ("study", "finished", "has_report")) for name, kind in _KINDS.items()]
)
EXAMPLE = {
    "study": "study",
    "finished": "2024-08-09T10:00:00.000000Z",
    "source": "data",
    "symbol": "BTC-USD",
    "interval": "1h",
    "seed": 42,
    "num_strategies": 500,
    "tries": 500,
    "strategy_id": "s0042",
    "select_by": "win_rate",
    "training_win_rate": 0.71,
    "validation_win_rate": 0.48,
    "training_sharpe_ratio": 1.9,
    "validation_sharpe_ratio": -0.2,
    "validation_total_return": -0.03,
    "overfit": True,
    "skill": False,
    "verdict": "Nothing here that luck alone would not give.",
    "data_hash": "9f86d081884c7d65",
    "has_report": True,
}


def router(answers: Answers) -> APIRouter:
    """The route."""
    made = APIRouter(tags=["research"])

    @made.get(
        "/v1/studies",
        summary="Past studies and their verdicts",
        responses=rows_of(SCHEMA, EXAMPLE, "A row a study that was validated, by its folder's name."),
        response_class=Response,
    )
    async def studies(request: Request, asked: PagingQuery) -> Response:
        """The studies in the folder of the setting web.studies: itself, and the folders in it."""
        source = ListSource(lambda: read_studies(studies_folder(answers.state.settings)), ("study",), SCHEMA)
        return await answered(request, answers, asked, source)

    return made


def read_studies(folder: Path) -> pl.DataFrame:
    """Every study that was validated, in the columns of :data:`SCHEMA`; those being made are left out.

    Raises:
        StorageError: the folder cannot be read.
    """
    rows = [row for path in _folders(folder) if (row := _read(path)) is not None]
    return frame_of(pa.Table.from_pylist(rows, SCHEMA))


def _folders(folder: Path) -> Iterator[Path]:
    try:
        yield folder
        yield from sorted(path for path in folder.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return  # no study yet
    except OSError as error:
        raise StorageError(f"the studies in {folder} cannot be read: {error.strerror}") from error


def _read(folder: Path) -> dict[str, Any] | None:
    """A study as a row; None where there is none that can be read."""
    file = folder / VALIDATION
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Validation)
        finished_s = file.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        log.warning("study unreadable", path=str(file), error=str(error))
        return None
    plan, verdict = found.settings, found.verdict
    return {
        # A folder may be called by bytes that are no text.
        "study": os.fsencode(folder.name).decode(errors="replace"),
        "finished": int(finished_s * 1_000_000),
        "source": plan.source,
        "symbol": plan.symbol,
        "interval": plan.interval,
        "seed": found.seed,
        "num_strategies": found.num_strategies,
        "tries": found.tries,
        "strategy_id": found.strategy_id,
        "select_by": plan.select_by,
        "training_win_rate": found.training_metrics.get("win_rate"),
        "validation_win_rate": found.validation_metrics.get("win_rate"),
        "training_sharpe_ratio": found.training_metrics.get("sharpe_ratio"),
        "validation_sharpe_ratio": found.validation_metrics.get("sharpe_ratio"),
        "validation_total_return": found.validation_metrics.get("total_return"),
        "overfit": found.overfit,
        "skill": verdict.skill,
        "verdict": verdict.headline,
        "data_hash": found.data_hash,
        "has_report": (folder / REPORT).is_file(),
    }


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What a column holds; a larger one is no number of ours."""


class _Plan(msgspec.Struct, frozen=True):
    source: str | None = None
    symbol: str | None = None
    interval: str | None = None
    select_by: str | None = None


class _Verdict(msgspec.Struct, frozen=True):
    skill: bool | None = None
    headline: str | None = None


class _Validation(msgspec.Struct, frozen=True):
    """What is told of ``validation_results.json``; what an older version left out is null."""

    strategy_id: str | None = None
    training_metrics: dict[str, float | None] = {}
    validation_metrics: dict[str, float | None] = {}
    overfit: bool | None = None
    verdict: _Verdict = _Verdict()
    settings: _Plan = _Plan()
    tries: Int64 | None = None
    num_strategies: Int64 | None = None
    seed: Int64 | None = None
    data_hash: str | None = None
