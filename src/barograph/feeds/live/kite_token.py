"""The day's access token of Kite: where it is kept, and how long it holds.

Source: kite.trade/docs/connect/v3/user. A login gives a token that the venue forgets the next
morning at about 06:00 in India, whenever it was given. A connection that is open then goes
on; the next one is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from barograph.clock import Clock, SystemClock, from_us, to_us
from barograph.disk import put_bytes, read_json
from barograph.errors import SettingsError, StorageError
from barograph.settings import Settings

INDIA = ZoneInfo("Asia/Kolkata")
LOG_IN = "run 'barograph login kite', then start the recording again"
API_KEY = "feeds.kite.api_key (KITE_API_KEY)"
_FORGOTTEN_AT = time(6)
_OWNER_ONLY = 0o600
_NS_PER_US = 1_000


class Token(msgspec.Struct, frozen=True):
    """What the file holds. Its ``repr`` shows no secret.

    ``login_us`` is our clock when the venue gave it, microseconds UTC.
    """

    api_key: str
    access_token: str
    login_us: int

    def __repr__(self) -> str:
        return f"Token(login {from_us(self.login_us).isoformat()})"

    @property
    def holds_until(self) -> datetime:
        """The next 06:00 in India after the login, UTC.

        >>> Token("k", "t", to_us(datetime(2024, 8, 8, 3, 20, tzinfo=UTC))).holds_until.isoformat()
        '2024-08-09T00:30:00+00:00'
        """
        login = from_us(self.login_us).astimezone(INDIA)
        end = datetime.combine(login.date(), _FORGOTTEN_AT, INDIA)
        return (end if login < end else end + timedelta(days=1)).astimezone(UTC)


def token_file(data_dir: Path) -> Path:
    """Where the token of a data directory is kept."""
    return data_dir / "state" / "kite.token.json"


def write_token(file: Path, token: Token) -> None:
    """Put ``token`` into ``file``, readable by its owner only: whole or not at all.

    Raises:
        StorageError: the disk refuses it; what was there before stays.
    """
    content = msgspec.json.encode(token) + b"\n"
    put_bytes(file, content, f"keeping the token in {file}", durable=True, mode=_OWNER_ONLY)


def read_token(file: Path) -> Token | None:
    """The token in ``file``; None when there is none.

    Raises:
        SettingsError: the file is not what a login writes.
    """
    try:
        return read_json(file, Token, f"reading {file}")
    except (StorageError, msgspec.DecodeError) as error:
        # The error would quote nothing of the file, but its cause is of no use to anybody either.
        raise SettingsError(f"{file} holds no token that can be read; {LOG_IN}") from error


def access(settings: Settings, clock: Clock | None = None) -> tuple[str, str]:
    """The API key and the access token that hold now.

    Raises:
        SettingsError: one is missing or has expired; the message says what to run.
    """
    section = settings.feeds.kite
    key = section.api_key.get_secret_value() if section.api_key else ""
    if not key:
        raise SettingsError(f"kite needs the key of your app: set {API_KEY}")
    if section.access_token is not None and section.access_token.get_secret_value():
        return key, section.access_token.get_secret_value()
    token = read_token(token_file(settings.data_dir))
    if token is None:
        raise SettingsError(f"kite needs the day's access token and there is none yet; {LOG_IN}")
    if token.api_key != key:
        raise SettingsError(
            f"kite's access token was given for another {API_KEY} than the one set now; {LOG_IN}"
        )
    now_us = (clock or SystemClock()).now_ns() // _NS_PER_US
    if now_us >= to_us(token.holds_until):
        expired = token.holds_until.astimezone(INDIA)
        raise SettingsError(f"kite's access token has expired ({expired:%Y-%m-%d %H:%M} in India); {LOG_IN}")
    return key, token.access_token
