"""What is recorded, and how: ``tape``, ``record``, ``retention``, ``replay`` and ``simulator``."""

from __future__ import annotations

from pydantic import Field

from barograph.settings.section import Section

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


class RetentionSection(Section):
    """How much tape is kept. What no table holds yet is never deleted."""

    tape_days: float | None = Field(default=None, gt=0, description="Delete sealed tape older than this.")
    tape_gb: float | None = Field(
        default=None, gt=0, description="Delete the oldest sealed tape when there is more than this."
    )


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
