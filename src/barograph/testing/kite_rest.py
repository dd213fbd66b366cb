"""Kite over REST: logging in, the profile, the list of instruments.

Source: kite.trade/docs/connect/v3, "User", "Market quotes and instruments", "Exceptions and
errors"; the wording of refusals is what the service's users have quoted in public. The list of
instruments asks for no token, as the vendor says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from barograph.clock import NS_PER_S, Clock
from barograph.testing.kite_wire import Instrument, instruments_csv
from barograph.testing.venue import Answer, Asked

_INDIA = timedelta(hours=5, minutes=30)
_FIELDS = ("api_key", "request_token", "checksum")
_USER = {
    "user_type": "individual",
    "email": "kite@example.com",
    "user_name": "Test User",
    "user_shortname": "Test",
    "broker": "ZERODHA",
    "exchanges": ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX"],
    "products": ["CNC", "NRML", "MIS"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
    "avatar_url": None,
    "user_id": "XX0000",
    "meta": {"demat_consent": "physical"},
}


class Sessions:
    """Who may do what: apps with their secrets, tokens of a login, and the tokens of the day.

    Args:
        apps: the secret of each API key.
        clock: when a login happens.
    """

    def __init__(self, apps: Mapping[str, str], clock: Clock) -> None:
        self._apps = apps
        self._clock = clock
        self._requests: dict[str, str] = {}
        self._access: dict[str, str] = {}
        self._made = 0

    def log_in(self, api_key: str) -> str:
        """What the login page hands over: a request token, good for one exchange."""
        token = self._token("request")
        self._requests[token] = api_key
        return token

    def give(self, api_key: str, access_token: str = "") -> str:
        """An access token without the login; a key has one at a time."""
        token = self._access[api_key] = access_token or self._token("access")
        return token

    def allowed(self, api_key: str, access_token: str) -> bool:
        """Whether the token is the key's, and of today."""
        return bool(access_token) and self._access.get(api_key) == access_token

    def expire(self) -> None:
        """What happens each morning, and when the user logs in elsewhere: every access token is void."""
        self._access.clear()

    def exchange(self, form: Mapping[str, str]) -> Answer:
        """``POST /session/token``: an access token for a request token and a checksum."""
        for field in _FIELDS:
            if not form.get(field):
                return refusal(400, "InputException", f"Missing or empty field `{field}`")
        api_key, request_token, checksum = (form[field] for field in _FIELDS)
        secret = self._apps.get(api_key)
        if secret is None:
            return refusal(403, "TokenException", "Invalid `api_key`.")
        if self._requests.get(request_token) != api_key:
            return refusal(403, "TokenException", "Token is invalid or has expired.")
        if checksum != hashlib.sha256(f"{api_key}{request_token}{secret}".encode()).hexdigest():
            return refusal(403, "TokenException", "Invalid `checksum`.")
        del self._requests[request_token]
        at = datetime.fromtimestamp(self._clock.now_ns() / NS_PER_S, UTC) + _INDIA
        tokens = {
            "api_key": api_key,
            "access_token": self.give(api_key),
            "public_token": self._token("public"),
            "enctoken": self._token("enctoken"),
            "refresh_token": "",
            "silo": "",
        }
        return success({**_USER, **tokens, "login_time": f"{at:%Y-%m-%d %H:%M:%S}"})

    def end(self, query: Mapping[str, str]) -> Answer:
        """``DELETE /session/token``: the token is void from now on."""
        if not self.allowed(query.get("api_key", ""), query.get("access_token", "")):
            return refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        del self._access[query["api_key"]]
        return success(data=True)

    def profile(self, headers: Mapping[str, str]) -> Answer:
        """``GET /user/profile``; the header is ``Authorization: token api_key:access_token``."""
        api_key, _, token = headers.get("authorization", "").removeprefix("token ").partition(":")
        if not self.allowed(api_key, token):
            return refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")
        return success(_USER)

    def _token(self, purpose: str) -> str:
        self._made += 1
        return hashlib.sha256(f"{purpose} {self._made}".encode()).hexdigest()[:32]


def answer(asked: Asked, sessions: Sessions, instruments: Sequence[Instrument]) -> Answer:
    """The answer to any request."""
    route = (asked.method, asked.path)
    if route == ("POST", "/session/token"):
        return sessions.exchange(asked.form)
    if route == ("DELETE", "/session/token"):
        return sessions.end(asked.query)
    if route == ("GET", "/user/profile"):
        return sessions.profile(asked.headers)
    if asked.method == "GET" and asked.path.split("/")[1] == "instruments":
        exchange = asked.path.removeprefix("/instruments").strip("/")
        listed = [each for each in instruments if exchange in ("", each.exchange)]
        return Answer(200, instruments_csv(listed).encode(), content_type="text/csv")
    return refusal(404, "GeneralException", "Route not found")


def success(data: Any) -> Answer:
    """An answer with data."""
    return Answer(200, msgspec.json.encode({"status": "success", "data": data}))


def refusal(status: int, kind: str, message: str, *, retry_after_s: float | None = None) -> Answer:
    """An answer with the name of one of the venue's exceptions."""
    body = {"status": "error", "message": message, "data": None, "error_type": kind}
    headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
    return Answer(status, msgspec.json.encode(body), headers)
