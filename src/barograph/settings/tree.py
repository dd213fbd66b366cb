"""The tree itself: every setting with its type, default, bounds and meaning, defined once.

The commented ``barograph.toml`` of ``barograph init`` and ``config show`` are made from
these definitions. Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import Field, PrivateAttr, SecretStr, model_validator
from pydantic.fields import FieldInfo

from barograph.settings.origin import MASK, Explained, Origin, Path, dotted
from barograph.settings.section import Section
from barograph.settings.venues import FeedsSection

MIB = 1024 * 1024


class TapeSection(Section):
    """The journal of everything that came."""

    fsync_interval_s: float = Field(
        default=0.2,
        gt=0,
        le=60,
        description="Longest time that an appended record waits to be synced to disk.",
    )
    fsync_bytes: int = Field(
        default=MIB, ge=4096, description="Sync sooner once this much has been appended."
    )
    roll_bytes: int = Field(
        default=256 * MIB, ge=64 * 1024, description="A segment ends before it outgrows this."
    )
    roll_interval_s: float = Field(
        default=3600.0, gt=0, description="A segment ends at each multiple of this."
    )


class BarsSection(Section):
    """How ticks and quotes become minutes. A change takes effect with ``barograph rebuild``."""

    allowed_lateness_s: float = Field(
        default=2.0, ge=0, le=3600, description="How long a minute stays open for late trades after its end."
    )
    spike_window: int = Field(
        default=60, ge=2, le=10_000, description="Minutes that volume_spike_score looks back."
    )
    spike_min_bars: int = Field(
        default=20, ge=2, description="Minutes below which volume_spike_score is null."
    )
    max_ahead_s: float = Field(
        default=5.0,
        ge=0,
        description="A stamp this far ahead of receipt is flagged and does not move time on.",
    )
    quiet_grace_s: float = Field(
        default=10.0, ge=0, description="How far behind a quiet connection may hold the others' minutes open."
    )
    retain_s: float = Field(
        default=600.0, ge=0, description="How long a closed minute's rows stay in memory, for late trades."
    )
    history_bars: int = Field(default=1440, ge=1, description="Closed minutes remembered, a symbol.")
    kept_minutes: int = Field(default=250_000, ge=1, description="Closed minutes remembered, all symbols.")
    kept_rows: int = Field(
        default=50_000, ge=1, description="Trades and quotes held in memory, about; the rest is read back."
    )
    outlier_pct: float = Field(
        default=20.0,
        gt=0,
        description="A price further than this from the recent median, in percent, is flagged.",
    )
    exclude_outliers: bool = Field(default=False, description="Keep flagged prices out of bars.")

    @model_validator(mode="after")
    def _window_holds_minimum(self) -> BarsSection:
        if self.spike_min_bars > self.spike_window:
            raise ValueError(
                f"bars.spike_min_bars = {self.spike_min_bars} is more than "
                f"bars.spike_window = {self.spike_window}: no score would ever be computed"
            )
        return self


Kind = Literal["volume_spike", "price_jump", "spread_blowout", "one_sided_flow", "correlation_break", "stale"]


class AnomaliesSection(Section):
    """Thresholds of the rules. A change takes effect with ``barograph rebuild``."""

    kinds: tuple[Kind, ...] = Field(default=get_args(Kind), description="The rules that are in force.")
    window: int = Field(
        default=60, ge=2, le=720, description="Minutes that price, spread and flow look back."
    )
    least: int = Field(default=20, ge=2, description="With fewer minutes to compare with, a rule is silent.")
    volume_spike_score: float = Field(
        default=3.0, ge=0, description="Volume spike: volume_spike_score above this."
    )
    price_jump_sigmas: float = Field(
        default=6.0, ge=0, description="Price jump: a log return of so many standard deviations..."
    )
    price_jump_return: float = Field(default=0.001, ge=0, description="...and of at least this size.")
    spread_ratio: float = Field(
        default=4.0, ge=1, description="Spread blow-out: a relative spread of so many times the median..."
    )
    spread_floor: float = Field(
        default=0.0002, ge=0, description="...and of at least this size (0.0002 is 2 basis points)."
    )
    flow_imbalance: float = Field(
        default=0.9, ge=0, le=1, description="One-sided flow: an order imbalance, either way, of this..."
    )
    flow_trades: int = Field(default=20, ge=1, description="...in at least so many trades...")
    flow_volume: float = Field(default=0.5, ge=0, description="...and this share of the median volume.")
    correlation_z: float = Field(
        default=4.0, ge=0, description="Correlation break: Fisher's z between the short and the long window."
    )
    correlation_short: int = Field(default=30, ge=10, le=180, description="Minutes of the short window.")
    correlation_long: int = Field(
        default=240, ge=10, le=710, description="Minutes of the long window, which ends before the short one."
    )
    correlation_others: int = Field(default=2, ge=1, description="Other symbols that a minute needs.")
    stale_minutes: int = Field(default=10, ge=2, le=360, description="Stale: so many minutes without a bar.")
    stale_longest_gap: int = Field(
        default=120, ge=2, le=360, description="A longer silence of the whole venue is a closed market."
    )


class LakeSection(Section):
    """The Parquet files."""

    grace_s: float = Field(
        default=600.0,
        ge=0,
        description="How long files that a sealed day replaced stay for queries in flight.",
    )


class DatabaseSection(Section):
    """The PostgreSQL server, where `store` says that the tables are there."""

    url: SecretStr | None = Field(
        default=None,
        description="postgresql://user@host:5432/name; better given as DATABASE_URL.",
    )
    host: str | None = Field(default=None, description="Server; what stands here goes before the url's.")
    port: int | None = Field(default=None, ge=1, le=65_535, description="Port; 5432 when nobody says.")
    name: str | None = Field(default=None, description="Database.")
    user: str | None = Field(default=None, description="Role to log in as.")
    password: SecretStr | None = Field(
        default=None, description="Its password; better given as DB_PASS, or in libpq's own ~/.pgpass."
    )
    namespace: str = Field(
        default="public", pattern="^[a-z_][a-z0-9_]{0,50}$", description="Schema that holds the tables."
    )
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] | None = Field(
        default=None, description="How much the connection is protected, as libpq names it."
    )
    sslrootcert: FilePath | None = Field(default=None, description="Certificates of who signs servers.")
    sslcert: FilePath | None = Field(default=None, description="Our own certificate.")
    sslkey: FilePath | None = Field(default=None, description="Its key.")
    connect_timeout_s: float = Field(default=10.0, gt=0, description="Patience for a connection.")
    statement_timeout_s: float = Field(default=300.0, gt=0, description="Longest time of a query of yours.")
    ahead_days: int = Field(default=7, ge=1, le=400, description="Partitions made ahead of time.")
    keep_days: float | None = Field(
        default=None, gt=0, description="Rows older than this are dropped; never when absent."
    )
    compress_after_days: float = Field(
        default=7.0, gt=0, description="TimescaleDB compresses chunks older than this."
    )


class BackupSection(Section):
    """Backups, `barograph backup`."""

    to: str | None = Field(
        default=None, description="Directory or s3://bucket/prefix; data_dir/backups when absent."
    )
    remote: str | None = Field(default=None, description="A second place, to which backups are copied.")
    daily_at: str = Field(
        default="16:00",
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="When a day's backup is due.",
    )
    zone: str = Field(default="UTC", description="Time zone of daily_at, such as Asia/Kolkata.")
    market: str = Field(default="24/7", description="Calendar that says which days and weeks have sessions.")
    tables: tuple[str, ...] = Field(
        default=(), description='Tables of your own: "schema.table:column", the column telling their time.'
    )
    keep_local_days: float = Field(default=3.0, gt=0, description="How long backups stay on a local place.")
    keep_remote_days: float = Field(default=30.0, gt=0, description="How long they stay on the remote one.")


class ReplaySection(Section):
    """Going over the tape again."""

    stride_records: int = Field(
        default=65_536, ge=1, le=4_194_304, description="Records taken in one step; rows do not depend on it."
    )


class SimulatorSection(Section):
    """What ``barograph simulate`` makes when no flag says otherwise."""

    seed: int = Field(default=1, ge=0, description="The same seed gives the same market, byte for byte.")
    symbols: tuple[str, ...] = Field(
        default=("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "DOGE-USD", "ADA-USD"),
        min_length=1,
        description="Symbols of the simulated market.",
    )
    rate: float = Field(
        default=1.0, gt=0, le=1000, description="Times the usual number of trades and quotes."
    )


class QuerySection(Section):
    """Limits of SQL."""

    memory_limit_mb: int = Field(
        default=1024, ge=64, description="Memory that a query may use before it spills."
    )
    temp_dir: FilePath | None = Field(
        default=None, description="Where queries spill; the system's own when absent."
    )


class RecordSection(Section):
    """The live process, `barograph record`."""

    feeds: tuple[str, ...] = Field(default=(), description="Feeds to record when no flag says otherwise.")
    commit_interval_s: float = Field(
        default=0.25, gt=0, le=60, description="Ticks are readable so long after they came, about."
    )
    step_records: int = Field(
        default=4096,
        ge=1,
        le=1_048_576,
        description="Records taken into the tables at once; bounds the memory.",
    )
    buffer_mb: int = Field(
        default=32, ge=1, description="Frames held while the disk does not take them; then sockets wait."
    )
    checkpoint_interval_s: float = Field(
        default=60.0, gt=0, description="Between two savings of the line's state: what a crash makes it redo."
    )
    backoff_min_s: float = Field(default=0.5, gt=0, description="First wait before connecting again, about.")
    backoff_max_s: float = Field(default=60.0, gt=0, description="Longest wait before connecting again.")
    sustained_s: float = Field(
        default=30.0, ge=0, description="Data for so long makes the waits begin anew at the shortest."
    )
    stale_after_s: float = Field(
        default=60.0,
        gt=0,
        description="A symbol silent for so long, unusually for it, is asked about and subscribed anew.",
    )
    seal_after_s: float = Field(
        default=3600.0, ge=0, description="A day of the lake is sealed so long after its end."
    )
    close_grace_s: float = Field(
        default=300.0,
        ge=0,
        description="How long after the last close `--until session-close` goes on recording.",
    )
    shutdown_s: float = Field(default=10.0, gt=0, description="Time that a clean end may take.")
    disk_low_mb: int = Field(default=1024, ge=0, description="Less free space than this raises an alarm.")
    second_process: bool = Field(
        default=True,
        description="Make the tables in a process of their own, on another core; false saves memory.",
    )
    metrics_host: str = Field(default="127.0.0.1", description="Where metrics and health are served.")
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Serve /metrics, /healthz and /readyz; not at all when absent.",
    )


class DipSection(Section):
    """The dip strategy on trades, `barograph trade --strategy dip`."""

    drop_pct: float = Field(
        default=2.0, gt=0, lt=100, description="Buy when the price is this much below its high of..."
    )
    lookback_s: float = Field(default=60.0, gt=0, description="...the last so many seconds.")
    profit_pct: float = Field(default=5.0, gt=0, description="Sell at so much above the entry.")
    stop_pct: float | None = Field(
        default=None, gt=0, lt=100, description="Sell at so much below the entry; never when absent."
    )
    hold_s: float | None = Field(
        default=None, gt=0, description="Sell what has been held for so long; never when absent."
    )


class TradeSection(Section):
    """Paper trading, `barograph trade`."""

    strategies: tuple[str, ...] = Field(
        default=(), description='What is traded when no flag says otherwise: "dip", files of strategies.'
    )
    symbols: tuple[str, ...] = Field(default=(), description="Symbols to trade; all when empty.")
    venues: tuple[str, ...] = Field(default=(), description="Venues to trade on; all when empty.")
    cash: float = Field(default=10_000.0, gt=0, description="Of each account, to begin with.")
    share: Literal["each", "all"] = Field(
        default="each",
        description='"each" strategy and symbol has an account of its own, or "all" share one '
        "(one for tick and one for bar strategies).",
    )
    sizing: Literal["fraction", "cash", "volatility"] = Field(
        default="fraction", description="What size means: of the equity, money, or a volatility a year."
    )
    size: float = Field(default=1.0, gt=0, description="What an entry commits, see sizing.")
    fee_bps: float = Field(default=10.0, ge=0, lt=10_000, description="Fee of a side, in basis points.")
    slippage_bps: float = Field(
        default=0.0, ge=0, lt=10_000, description="Fills are so much worse than the price, in basis points."
    )
    spread: bool = Field(default=False, description="Fills also pay half of the spread.")
    max_exposure: float | None = Field(
        default=None, gt=0, le=1, description="Positions over equity that an account may have."
    )
    orders_per_minute: int | None = Field(
        default=None, ge=1, description="Orders a minute at which tick strategies enter no more."
    )
    orders_per_hour: int | None = Field(
        default=None, ge=1, description="Entries an hour that an account of bar strategies may make."
    )
    daily_loss_pct: float | None = Field(
        default=None, gt=0, le=100, description="Loss of a UTC day at which an account enters no more."
    )
    flatten_on_loss: bool = Field(default=False, description="Then bar strategies also leave what they hold.")
    longest_bars: int | None = Field(
        default=None, ge=1, description="Bar strategies leave what they have held for so many minutes."
    )
    minutes_per_year: float = Field(
        default=525_960.0, gt=0, description="Minutes that the market is open in a year, for volatility."
    )
    dip: DipSection = DipSection()


class RetentionSection(Section):
    """How much tape is kept. What no table holds yet is never deleted."""

    tape_days: float | None = Field(default=None, gt=0, description="Delete sealed tape older than this.")
    tape_gb: float | None = Field(
        default=None, gt=0, description="Delete the oldest sealed tape when there is more than this."
    )


class AlertsSection(Section):
    """Who is told of anomalies and alarms."""

    cool_down_s: float = Field(
        default=900.0, ge=0, description="The same alert is not sent again for so long."
    )
    webhook_url: SecretStr | None = Field(default=None, description="POST each alert there as JSON.")
    webhook_secret: SecretStr | None = Field(
        default=None, description="Sign each POST with HMAC-SHA-256 in the header X-Barograph-Signature."
    )
    webhook_timeout_s: float = Field(default=5.0, gt=0, description="Patience for one POST.")
    webhook_attempts: int = Field(default=6, ge=1, le=50, description="Tries of one POST.")
    queue: int = Field(
        default=256,
        ge=1,
        description="Alerts that wait for the webhook; beyond it the oldest are dropped, counted.",
    )


class WebSection(Section):
    """The API, `barograph serve`, and the dashboard, `barograph dashboard`."""

    host: str = Field(default="127.0.0.1", description="Where both listen; public only with tokens.")
    api_port: int = Field(default=8000, ge=0, le=65_535, description="Port of the API; 0 takes a free one.")
    dashboard_port: int = Field(
        default=8501, ge=0, le=65_535, description="Port of the dashboard; 0 takes a free one."
    )
    tokens: Literal["auto", "always", "never"] = Field(
        default="auto", description='Whether the API asks for a token; "auto": except on loopback.'
    )
    cors: tuple[str, ...] = Field(default=(), description="Origins whose pages may call the API.")
    requests_per_minute: int = Field(
        default=30_000, ge=1, description="Requests of one token, or one address, that are answered."
    )
    rows_max: int = Field(default=1_000_000, ge=1, description="Rows of one answer, at the most.")
    query_seconds: float = Field(default=10.0, gt=0, description="Longest time of a query by POST.")
    query_rows: int = Field(default=100_000, ge=1, description="Rows of its answer, at the most.")
    query_mb: int = Field(default=64, ge=1, description="Size of its answer, at the most.")
    stream_clients: int = Field(default=200, ge=1, description="Clients of the live stream at once.")
    workers: int = Field(default=1, ge=1, le=64, description="Processes of the API.")
    studies: FilePath | None = Field(
        default=None, description="Folder of past studies; the folder study beside the data when absent."
    )


class S3Section(Section):
    """A lake in S3, for those who look at it. This version cannot read one yet, and says so."""

    use: bool = Field(default=False, description="Whether the tables to look at are in S3.")
    bucket: str | None = Field(default=None, description="The bucket that they are in.")


class LogSection(Section):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="Least level shown."
    )
    format: Literal["console", "json"] = Field(default="console", description="For people, or JSON lines.")


class Settings(Section):
    """All settings. ``Settings()`` has the defaults; :meth:`load` is what programs use."""

    data_dir: FilePath = Field(
        default=FilePath("data"), description="The tape, the lake and all state live here."
    )
    store: Literal["lake", "postgresql"] = Field(
        default="lake", description='Where the tables are: "lake", "postgresql" (see database), or its URL.'
    )
    tape: TapeSection = TapeSection()
    bars: BarsSection = BarsSection()
    anomalies: AnomaliesSection = AnomaliesSection()
    lake: LakeSection = LakeSection()
    database: DatabaseSection = DatabaseSection()
    backup: BackupSection = BackupSection()
    replay: ReplaySection = ReplaySection()
    simulator: SimulatorSection = SimulatorSection()
    query: QuerySection = QuerySection()
    record: RecordSection = RecordSection()
    trade: TradeSection = TradeSection()
    retention: RetentionSection = RetentionSection()
    alerts: AlertsSection = AlertsSection()
    feeds: FeedsSection = FeedsSection()
    web: WebSection = WebSection()
    s3: S3Section = S3Section()
    log: LogSection = LogSection()

    _origins: Mapping[Path, Origin] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _url_may_stand_for_the_store(cls, given: Any) -> Any:
        """``store = "postgresql://..."`` says both what the store is and where; it may hold a password."""
        store = given.get("store") if isinstance(given, Mapping) else None
        if not isinstance(store, str) or not store.startswith(("postgresql://", "postgres://")):
            return given
        return {**given, "store": "postgresql", "database": {**given.get("database", {}), "url": store}}

    def model_post_init(self, context: Any, /) -> None:
        # The loader hands the origins in as the validation's context.
        self._origins = dict(context or {})

    @classmethod
    def load(
        cls,
        path: FilePath | str | None = None,
        environ: Mapping[str, str] | None = None,
        flags: Sequence[Any] = (),
    ) -> Settings:
        """The settings in force.

        Args:
            path: the settings file; None looks for ``barograph.toml`` in the current
                directory and goes on without one.
            environ: variables; None takes the process's.
            flags: :class:`~barograph.settings.Flag` values that the command line gave.

        Raises:
            SettingsError: a file that is missing or broken, an unknown or wrong setting.
        """
        from barograph.settings.load import load

        return load(path, environ, flags)

    def origin(self, name: str) -> Origin:
        """Where the setting ``name`` (``"tape.fsync_bytes"``) got its value."""
        return self._origins.get(tuple(name.split(".")), Origin("default"))

    def explain(self) -> list[Explained]:
        """Every setting with its value, secrets masked, and its origin, in the tree's order."""
        return [
            Explained(dotted(place), leaf.shown(self), self.origin(dotted(place)), leaf.help)
            for place, leaf in leaves().items()
        ]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting's definition."""

    path: Path
    field: FieldInfo

    @property
    def help(self) -> str:
        """What it means, a sentence."""
        return self.field.description or ""

    @property
    def default(self) -> Any:
        """Its value when nobody says anything."""
        return self.field.default

    @property
    def is_path(self) -> bool:
        """Whether it names a file or folder."""
        return self.field.annotation in (FilePath, FilePath | None)

    @property
    def is_secret(self) -> bool:
        """Whether it must never be printed."""
        return self.field.annotation == SecretStr | None

    def shown(self, settings: Settings) -> object:
        """Its value in ``settings`` as plain data, a secret masked."""
        value: Any = settings
        for name in self.path:
            value = getattr(value, name)
        if isinstance(value, SecretStr):
            return MASK
        if isinstance(value, FilePath):
            return str(value)
        return list(value) if isinstance(value, tuple) else value


@cache
def leaves() -> Mapping[Path, Leaf]:
    """Every setting by its path, in the tree's order."""
    return MappingProxyType({leaf.path: leaf for leaf in _below(Settings, ())})


def _below(section: type[Section], above: Path) -> list[Leaf]:
    found: list[Leaf] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found += _below(kind, (*above, name))
        else:
            found.append(Leaf((*above, name), field))
    return found


def section_at(path: Path) -> type[Section]:
    """The class of the section at ``path``; its docstring says what it is for."""
    section: type[Section] = Settings
    for name in path:
        kind = section.model_fields[name].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Section)
        section = kind
    return section
