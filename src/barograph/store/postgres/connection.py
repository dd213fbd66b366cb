"""Connections to PostgreSQL, and its errors in the house's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from barograph.errors import BarographError, SettingsError, StorageBusy, StorageError, StorageFull, UsageError
from barograph.store.postgres.address import Address

if TYPE_CHECKING:
    import psycopg

_FULL = ("53100", "53200")
_REFUSED = ("28000", "28P01", "3D000", "42501")
_ABSENT = ("42P01", "3F000", "42883")
_BUSY = ("55P03", "40001", "40P01")
_WRONG = ("42", "22", "25006", "0A", "26")


def connect(address: Address, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection, in UTC, with autocommit: transactions are said.

    Args:
        options: more of psycopg's ``connect``.

    Raises:
        SettingsError: psycopg is not installed, or the server does not let us in.
        StorageError: nobody answers.
    """
    module = driver()
    with errors(f"connecting to {address}"):
        opened: psycopg.Connection[Any] = module.connect(
            **address.conninfo(),
            autocommit=True,
            options=f"-c TimeZone=UTC -c search_path={address.namespace},public",
            application_name="barograph",
            **options,
        )
        return opened


def driver() -> Any:
    """The psycopg module.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise SettingsError(
            f"PostgreSQL needs packages that are not installed ({error}): pip install 'barograph[postgres]'"
        ) from error
    return psycopg


@contextmanager
def errors(doing: str) -> Iterator[None]:
    """Turn psycopg's errors into the house's; ``doing`` says what failed."""
    psycopg = driver()
    try:
        yield
    except psycopg.Error as error:
        raise explained(error, doing) from error


def explained(error: Any, doing: str) -> BarographError:
    """The house's error for one of PostgreSQL's."""
    state = getattr(error, "sqlstate", None) or ""
    message = f"{doing}: {str(error).strip() or type(error).__name__}"
    if state in _FULL:
        return StorageFull(message)
    if state in _REFUSED or "password authentication failed" in message or "no password supplied" in message:
        return SettingsError(f"{message}; see `barograph db status` and the section [database]")
    if state in _ABSENT:
        return SettingsError(f"{message}; make the tables with `barograph db init`")
    if state in _BUSY:
        return StorageBusy(message)
    if state.startswith(_WRONG):
        return UsageError(message)
    return StorageError(message)
