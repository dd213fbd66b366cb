"""``barograph login``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from barograph.cli.options import DEFAULTS, Options
from barograph.cli.output import write_object
from barograph.errors import StorageError, UsageError

if TYPE_CHECKING:
    from barograph.feeds.live.venue import Request

_PATIENCE_S = 30.0


def kite(*, request_token: str | None = None, common: Options = DEFAULTS) -> None:
    """Get the day's access token of Zerodha Kite, which every recording of it needs.

    Shows the address to open in a browser. After the login the browser ends at an address with a
    request token: paste that address here. The access token is kept in the data directory, for
    you only, and holds until about 06:00 in India.

    Parameters
    ----------
    request_token
        The request token, or the whole address that has it, instead of pasting it.
    """
    from barograph.clock import SystemClock
    from barograph.feeds.live.kite_login import login_of, request_token_in
    from barograph.feeds.live.kite_token import INDIA, token_file, write_token

    settings = common.settings()
    login = login_of(settings)
    given = request_token or _pasted(login.address)
    found = request_token_in(given)
    status, body = _post(login.request(found))
    token = login.token(status, body, found, SystemClock().now_ns() // 1_000)
    file = token_file(settings.data_dir)
    write_token(file, token)
    until = token.holds_until
    fields = {"written": str(file), "holds_until": until.isoformat().replace("+00:00", "Z")}
    write_object(fields, as_json=common.json)
    common.remark(
        f"logged in until {until.astimezone(INDIA):%a %d %b, %H:%M} in India; next: barograph record"
    )


def _pasted(address: str) -> str:
    """A line from standard input, after telling what is wanted."""
    sys.stderr.write(f"Open this address and log in:\n\n  {address}\n\n")
    sys.stderr.write("Then paste the address that the browser ends at: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line.strip():
        sys.stderr.write("\n")
        raise UsageError("nothing was pasted; run it again, with --request-token where nobody can paste")
    return line


def _post(request: Request) -> tuple[int, bytes]:
    """The status and body of the answer, whatever the status.

    Raises:
        StorageError: there was no answer.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import urlencode
    from urllib.request import Request as HttpRequest
    from urllib.request import urlopen

    form = urlencode(request.form or ()).encode()
    # The setting's pattern allows nothing but http and https here.
    asked = HttpRequest(request.url, form, dict(request.headers), method="POST")  # noqa: S310
    try:
        with urlopen(asked, timeout=_PATIENCE_S) as answer:  # noqa: S310
            return answer.status, answer.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise StorageError(f"Kite cannot be reached at {request.url}: {reason}; try again later") from error
