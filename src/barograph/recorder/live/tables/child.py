"""The process of the tables: what ``python -m barograph.recorder.live.tables.child`` runs.

It takes orders on standard input and reports on standard output. When its parent is gone it ends at
once, as after kill -9: what it has committed is whole, and the rest stands on the tape.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import MutableMapping
from typing import IO, Any

import msgspec

from barograph.recorder.live.memory import keep_few_arenas, one_allocator
from barograph.recorder.live.tables.messages import (
    Alerts,
    Figures,
    Finish,
    Gaps,
    Order,
    Report,
    Said,
    received,
    send,
)

REPORT_S = 0.1
"""Between two reports of the figures."""


class Reports:
    """The way to the parent, for several threads."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to, self._lock = to, threading.Lock()

    def send(self, report: Report) -> None:
        """Tell the parent."""
        with self._lock:
            send(self._to, msgspec.msgpack.encode(report, enc_hook=str))

    def log(self, _logger: object, level: str, event: MutableMapping[str, Any]) -> str:
        """A processor of log lines: the parent writes them."""
        from structlog import DropEvent

        self.send(Said(level, str(event.pop("event", "")), dict(event)))
        raise DropEvent


def main() -> None:
    """Take the work from the parent and do it until told to end."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # they go to a whole group of processes; the parent says when to end
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    keep_few_arenas()
    one_allocator()
    reports = Reports(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what anybody prints must not get between the messages
    # structlog takes rich, when there is one, to make tracebacks beautiful on a terminal. Here are none.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    import structlog

    structlog.configure(processors=[structlog.processors.format_exc_info, reports.log])
    orders = received(sys.stdin.buffer)
    _work(pickle.loads(next(orders)), orders, reports)  # noqa: S301 - our own parent's


def _work(given: Any, orders: Any, reports: Reports) -> None:
    from barograph.recorder.live.tables.behind import Told
    from barograph.recorder.live.tables.shared import SharedEnd
    from barograph.recorder.live.tables.thread import TablesThread

    work, shared = given[0], SharedEnd(given[1])
    told = Told(
        gaps=lambda gaps: reports.send(Gaps(gaps)),
        mute=lambda gaps: reports.send(Gaps(gaps, mute=True)),
        alerts=lambda alerts: reports.send(Alerts(list(alerts))) if alerts else None,
    )
    tables = TablesThread(work, shared, shared, told)
    tables.start()
    threading.Thread(target=_report, args=(tables, reports), daemon=True).start()
    for message in orders:
        order = msgspec.msgpack.decode(message, type=Order)
        if isinstance(order, Finish):
            tables.finish(order.final_pos, order.timeout_s)
            reports.send(_figures(tables))
            os._exit(0)
        tables.hold()
    os._exit(1)  # the parent is gone


def _report(tables: Any, reports: Reports) -> None:
    pause = threading.Event()
    try:
        while not pause.wait(REPORT_S):
            reports.send(_figures(tables))
    except OSError:
        os._exit(1)  # nobody reads: the parent is gone


def _figures(tables: Any) -> Figures:
    from barograph.recorder.live.memory import rss_bytes

    return Figures(tables.stats, tables.alive, rss_bytes())


if __name__ == "__main__":
    main()
