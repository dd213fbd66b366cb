"""Where tables are kept, asked and backed up: ``lake``, ``database``, ``backup``, ``query`` and ``s3``."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Literal

from pydantic import Field, SecretStr

from barograph.settings.section import Section


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


class QuerySection(Section):
    """Limits of SQL."""

    memory_limit_mb: int = Field(
        default=1024, ge=64, description="Memory that a query may use before it spills."
    )
    temp_dir: FilePath | None = Field(
        default=None, description="Where queries spill; the system's own when absent."
    )


class S3Section(Section):
    """A lake in S3, for those who look at it. This version cannot read one yet, and says so."""

    use: bool = Field(default=False, description="Whether the tables to look at are in S3.")
    bucket: str | None = Field(default=None, description="The bucket that they are in.")
