"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from barograph.clock import to_us
from barograph.errors import UsageError

Moment = date | datetime | str


def moment_us(moment: Moment | None) -> int | None:
    """Microseconds since 1970 of a date (its first moment), a datetime or an ISO 8601 text.

    What has no time zone is UTC.

    Raises:
        UsageError: the text is neither a date nor a time, or in UTC the calendar has no such year.

    >>> moment_us("2024-08-08") == moment_us(date(2024, 8, 8)) == moment_us("2024-08-08T05:30+05:30")
    True
    """
    if moment is None:
        return None
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise UsageError(
                f"{moment!r} is not a time; write 2024-08-08, 2024-08-08T14:30 or 2024-08-08T14:30+05:30"
            ) from error
    elif not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    try:
        return to_us(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        raise UsageError(f"{moment.isoformat()} is in UTC not between the years 1 and 9999") from None
