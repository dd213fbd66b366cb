"""Tables made again beside the old ones, in a namespace of their own, to take their place."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from barograph.errors import UsageError
from barograph.store.postgres.address import Address
from barograph.store.postgres.connection import connect
from barograph.store.postgres.exchanging import drop, exchange
from barograph.store.postgres.migrating import applied, check, migrate
from barograph.store.postgres.server import detect

SUFFIX = "_rebuild"


def begin(address: Address) -> Address:
    """Make empty tables beside those at ``address``; where. What a killed rebuild left is gone.

    Raises:
        SettingsError: there are no tables to be replaced, or the role may not make a namespace.
        UsageError: they are hypertables, which cannot change places.
        StorageError: the server is away.
    """
    made = replace(address, namespace=address.namespace + SUFFIX)
    with closing(connect(address)) as connection:
        check(connection, address.namespace)
        if "hypertables" in applied(connection, address.namespace)[0].ways:
            raise UsageError(
                f"the tables of {address.namespace!r} are TimescaleDB's, which cannot change places; name "
                f"another database.namespace, such as {made.namespace!r}, run `barograph db init`, and "
                "rebuild there"
            )
        drop(connection, made.namespace)
        migrate(connection, made.namespace, detect(connection).timescaledb, plain=True)
    return made


def finish(address: Address) -> None:
    """Put the tables that :func:`begin` has made and others have filled in the place of the old ones.

    Raises:
        StorageError: the server is away, or a reader holds a table for long; the old tables stay.
    """
    with closing(connect(address)) as connection:
        exchange(connection, address.namespace + SUFFIX, address.namespace)
