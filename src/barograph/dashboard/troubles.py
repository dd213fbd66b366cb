"""Why something cannot be shown, and what to do: the one error that pages know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from barograph.errors import (
    BarographError,
    DataError,
    SettingsError,
    StorageBusy,
    StorageError,
    StorageFull,
    UsageError,
)
from barograph.log import get_logger

log = get_logger()

_LINES = re.compile(r"[\s.]*\n\s*(?=[A-Z])")
"""Where a message of several lines goes on with a new sentence."""
_PARAMETERS = re.compile(r"(?<=//)([^\s?]+)\?[^\s]*?(?=:?\s|$)")


class Unavailable(Exception):
    """Data that cannot be read now.

    Attributes:
        reason: what happened, a sentence or two for the reader of the page.
        remedy: a command to run, or what else to do; may be empty.
        is_new: whether there is just nothing yet, which is no fault.
    """

    def __init__(self, reason: str, remedy: str = "", is_new: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.is_new = is_new


@contextmanager
def told_apart() -> Iterator[None]:
    """Everything that reading may meet, as :class:`Unavailable`.

    Engines below the store have errors of their own where files change under them: they are told
    as a store that is busy, and logged in full.
    """
    import duckdb
    import polars.exceptions as polars_errors
    import pyarrow as pa

    try:
        yield
    except BarographError as error:
        raise _of_ours(error) from error
    except (OSError, duckdb.Error, polars_errors.PolarsError, pa.ArrowException) as error:
        log.warning("dashboard: reading failed", error=repr(error))
        raise Unavailable(
            f"The data could not be read just now: {_first_line(error)}",
            "barograph doctor",
        ) from error


def _of_ours(error: BarographError) -> Unavailable:
    text = str(error)
    if isinstance(error, UsageError) and "no data directory" in text:
        return Unavailable(text.partition(";")[0].capitalize() + ".", "barograph demo", is_new=True)
    return Unavailable(_sentence(text), _remedy(error, text))


def _remedy(error: BarographError, text: str) -> str:
    """A command that the message names, else what usually helps."""
    if command := re.search(r"[`'](barograph [^`']+)[`']", text):
        return command[1]
    if isinstance(error, StorageFull):
        return "df -h"
    if isinstance(error, StorageBusy | StorageError):
        return "barograph doctor"
    if isinstance(error, SettingsError):
        return "barograph config show"
    return "barograph doctor" if isinstance(error, DataError) else ""


def _sentence(text: str) -> str:
    """As one sentence or more, without the parameters of addresses, which tell nobody anything."""
    text = " ".join(_LINES.sub(". ", _PARAMETERS.sub(r"\1", text)).split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return _sentence(lines[0]) if lines else type(error).__name__
