"""``barograph token create | revoke | list``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object, write_records
from barograph.cli.times import span_s
from barograph.clock import SystemClock, from_us
from barograph.errors import UsageError

if TYPE_CHECKING:
    from barograph.api.doors.tokens import Token

_COLUMNS = ("id", "name", "scope", "created", "expires", "last_used", "live")


def create(
    *,
    scope: Literal["read", "trade"] = "read",
    name: str = "",
    expires: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Make a token for the API, and print it: this once, for only its digest is kept.

    Parameters
    ----------
    scope
        What it may do: read, or trade (which may read, too).
    name
        Whose it is, to know it again in the list.
    expires
        When it ends by itself: 12h, 30d; never when absent.
    """
    from barograph.api.doors.tokens import create as make
    from barograph.api.doors.tokens import now_of, tokens_path

    settings = common.settings()
    now = now_of(SystemClock().now_ns())
    until = _later(now, expires) if expires else None
    token, text = make(tokens_path(settings.data_dir), scope, name, now, until)
    shown = {"token": text, "id": token.id, "name": token.name, "scope": scope, "expires": _iso(until)}
    write_object(shown, as_json=common.json)
    common.remark("keep it: it is not shown again. Send it as the header 'Authorization: Bearer <token>'")


def revoke(which: str, *, common: Options = DEFAULTS) -> None:
    """Take a token back; servers that run refuse it within seconds.

    Parameters
    ----------
    which
        Its id or name, as barograph token list shows them.
    """
    from barograph.api.doors.tokens import revoke as take_back
    from barograph.api.doors.tokens import tokens_path

    token = take_back(tokens_path(common.settings().data_dir), which)
    write_object({"revoked": token.id, "name": token.name}, as_json=common.json)


def list_(*, common: Options = DEFAULTS) -> None:
    """The tokens of the API, and when each was last used (about)."""
    from barograph.api.doors.tokens import now_of, read_tokens, tokens_path
    from barograph.api.doors.using import LastUsed, read_used

    path = tokens_path(common.settings().data_dir)
    clock = SystemClock()
    used = read_used(LastUsed.beside(path, clock).path)
    rows = [_row(token, used.get(token.id), now_of(clock.now_ns())) for token in read_tokens(path)]
    write_records(rows, _COLUMNS, common.form())
    if not rows:
        common.remark("there are no tokens; make one with `barograph token create --scope read`")


def _later(now: datetime, expires: str) -> datetime:
    try:
        return now + timedelta(seconds=span_s(expires, "--expires"))
    except OverflowError:
        raise UsageError(f"--expires {expires} is beyond the calendar; leave it out for never") from None


def _row(token: Token, used_ns: int | None, now: datetime) -> dict[str, Any]:
    last = _iso(from_us(used_ns // 1_000_000_000 * 1_000_000)) if used_ns is not None else None
    return {
        "id": token.id,
        "name": token.name,
        "scope": token.scope,
        "created": _iso(token.created),
        "expires": _iso(token.expires),
        "last_used": last,
        "live": token.is_live(now),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
