"""Logging in to Kite: an address to open, what comes back from it, and the exchange for a token.

Source: kite.trade/docs/connect/v3/user, "Login flow". A person opens the login's address; the venue
sends the browser on to the app's own address with a ``request_token``, good once and for a
few minutes; ``POST /session/token`` with SHA-256(api_key + request_token + api_secret) gives
the day's access token for it. Nothing here opens a socket.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from barograph.errors import BarographError, SettingsError, StorageError, UsageError
from barograph.feeds.batch import UNREADABLE
from barograph.feeds.live.kite_token import API_KEY, Token
from barograph.feeds.live.venue import Request
from barograph.settings import Settings

_SECRET = "feeds.kite.api_secret (KITE_API_SECRET)"  # noqa: S105 - the setting's name
_PLAIN = re.compile(r"[A-Za-z0-9]{8,64}")


class _Data(msgspec.Struct):
    access_token: str = ""
    user_id: str = ""


class _Answer(msgspec.Struct):
    data: _Data | None = None
    message: str = ""
    error_type: str = ""


_answer = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class Login:
    """One app's way of logging in."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    login_url: str
    rest_url: str

    @property
    def address(self) -> str:
        """What a person opens in a browser."""
        return f"{self.login_url}?{urlencode({'v': 3, 'api_key': self.api_key})}"

    def request(self, request_token: str) -> Request:
        """The exchange of a request token for the day's access token."""
        joined = f"{self.api_key}{request_token}{self.api_secret}"
        checksum = hashlib.sha256(joined.encode()).hexdigest()
        form = (("api_key", self.api_key), ("request_token", request_token), ("checksum", checksum))
        return Request(f"{self.rest_url.rstrip('/')}/session/token", (("X-Kite-Version", "3"),), form=form)

    def token(self, status: int, body: bytes, request_token: str, now_us: int) -> Token:
        """The access token that the venue answered with.

        Raises:
            UsageError: the venue does not take the request token, or something else of ours.
            StorageError: the venue has a problem of its own, try later.
        """
        try:
            answer = _answer.decode(body)
        except UNREADABLE:
            answer = _Answer()
        if status < 400 and answer.data is not None and answer.data.access_token:
            return Token(self.api_key, answer.data.access_token, now_us)
        raise self._refusal(status, answer, request_token)

    def _refusal(self, status: int, answer: _Answer, request_token: str) -> BarographError:
        message = answer.message
        for secret in (self.api_key, self.api_secret, request_token):
            message = message.replace(secret, "***")
        told = f"Kite did not log in (HTTP {status}"
        told += f" {answer.error_type}: {message[:300]})" if message else ", an answer that is not Kite's)"
        if status >= 500:
            return StorageError(f"{told}; try again later")
        return UsageError(
            f"{told}; a request token holds for some minutes and once, so open the address again, and check "
            f"{API_KEY} and {_SECRET}"
        )


def login_of(settings: Settings) -> Login:
    """The login of the app in the settings.

    Raises:
        SettingsError: its key or its secret is missing.
    """
    section = settings.feeds.kite
    for name, value in ((API_KEY, section.api_key), (_SECRET, section.api_secret)):
        if value is None or not value.get_secret_value():
            raise SettingsError(f"the login needs {name}; the app's page at developers.kite.trade shows it")
    assert section.api_key is not None
    assert section.api_secret is not None
    key, secret = section.api_key.get_secret_value(), section.api_secret.get_secret_value()
    return Login(key, secret, section.login_url, section.rest_url)


def request_token_in(given: str) -> str:
    """The request token in what a person pasted: the address that the browser ended at, or the token alone.

    Raises:
        UsageError: there is none in it, or the login was not finished.

    >>> request_token_in("https://127.0.0.1/?request_token=a1b2c3d4e5&action=login&status=success")
    'a1b2c3d4e5'
    """
    text = given.strip()
    if _PLAIN.fullmatch(text):
        return text
    try:
        asked = parse_qs(urlsplit(text).query)
    except ValueError:
        asked = {}
    status = asked.get("status", ["success"])[0]
    found = asked.get("request_token", [""])[0]
    if status == "success" and _PLAIN.fullmatch(found):
        return found
    # What was pasted may hold a secret, so it is not repeated.
    raise UsageError(
        "there is no request token in that; after the login the browser stands at an address with "
        "'request_token=...' in it: paste that address, or what follows the '='"
    )
