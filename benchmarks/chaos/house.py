"""What the chaos happens to: a recorder, three venues with their own processes, a network, a disk."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from barograph.tape import TapeReader
from benchmarks.chaos.clocks import Offset
from benchmarks.chaos.network import Network
from benchmarks.recorder import VENUES, Servers, processes, write_settings

_AT_FDCWD, _EXCHANGE = -100, 2
_ENDS = {0: "in order", -signal.SIGKILL: "killed", -signal.SIGTERM: "stopped before it had begun"}


class Venue:
    """A venue's server: it can be killed, and begins again with what it had."""

    def __init__(self, name: str, folder: Path, ahead_s: float) -> None:
        self.name = name
        self._errors = folder / f"{name}.errors.log"
        self._arguments = [name, "--log", str(folder), "--ahead-s", str(ahead_s)]
        self.port = _free_port()
        self.rate = 0.0
        self.servers: Servers | None = None

    def start(self) -> None:
        """Begin, or begin again."""
        if self.servers is None:
            with self._errors.open("a") as errors:
                self.servers = Servers(*self._arguments, "--ports", str(self.port), stderr=errors)
            self.trade(self.rate)

    def trade(self, rate: float) -> None:
        """So many events a second, in later lives too."""
        self.rate = rate
        self.say(f"rate {rate}")

    def say(self, line: str) -> dict[str, Any]:
        """A command's answer; nothing while there is no server."""
        if self.servers is None:
            return {}
        answer: dict[str, Any] = self.servers.say(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer

    def faults(self, **fields: Any) -> None:
        """Set lasting faults."""
        self.say(f"faults {self.name} {json.dumps(fields)}")

    def act(self, name: str) -> int:
        """Do it to every connection; how many there were."""
        return int(self.say(f"act {name} {self.name}").get("done", 0))

    def kill(self) -> bool:
        """``kill -9``."""
        if self.servers is None:
            return False
        process, self.servers = self.servers.process, None
        process.kill()
        process.wait()
        return True

    def close(self) -> None:
        """End it in order."""
        if self.servers is not None:
            self.servers.close()
            self.servers = None


class Recorder:
    """The recorder under supervision, as a service manager would: what ends is begun again.

    Attributes:
        starts: how often it was begun.
        ends: how it ended, each time.
        seen: payloads' hashes of every record that could be read at the moment of a kill.
    """

    def __init__(self, settings: Path, folder: Path, offset: Path) -> None:
        self.data = folder / "data"
        self.starts = 0
        self.ends: list[str] = []
        self.seen: list[int] = []
        self.full_bytes: int | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._log = (folder / "recorder.log").open("ab")
        module = "benchmarks.chaos.recorder_main"
        self._command = [sys.executable, "-m", module, str(offset), "record", "--config", str(settings)]

    def start(self) -> None:
        """Begin, or begin again."""
        if self.running:
            return
        self.starts += 1
        command = [*self._command, "--json"]
        # A full disk also stops a log that is a file, but not a pipe: every other life has that.
        errors = subprocess.PIPE if self.starts % 2 else self._log
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        if self.process.stderr is not None:
            threading.Thread(target=self._copy, args=(self.process.stderr,), daemon=True).start()
        self.limit(self.full_bytes)

    def _copy(self, errors: IO[bytes]) -> None:
        with errors:
            for line in errors:
                self._log.write(line)
                self._log.flush()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.process = None
            how = _ENDS.get(code, f"by itself ({code})")
            self.ends.append(how)
            self._remember()
        return self.process is not None

    def send(self, number: int) -> bool:
        """Send it a signal; whether it was there."""
        if not self.running:
            return False
        assert self.process is not None
        self.process.send_signal(number)
        return True

    def kill(self) -> bool:
        """``kill -9``, and note what can be read of the tape: that is what it has acknowledged."""
        if not self.send(signal.SIGKILL):
            return False
        self.process.wait()  # type: ignore[union-attr]
        return not self.running

    def kill_tables(self) -> bool:
        """``kill -9`` for the process of the tables alone; the recorder must begin it again."""
        if not self.running:
            return False
        assert self.process is not None
        children = self._children()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(children)

    def _children(self) -> list[int]:
        assert self.process is not None
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return processes(self.process.pid)[1:]
        return []

    def stop(self, within_s: float) -> bool:
        """SIGTERM; whether it ended in order in time, else it is killed."""
        if not self.send(signal.SIGTERM):
            return False
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(within_s) == 0
        self.kill()
        return False

    def limit(self, full_bytes: int | None) -> bool:
        """No file may grow beyond so many bytes, which to a recorder is a full disk; None: it may."""
        self.full_bytes = full_bytes
        if not self.running:
            return False
        assert self.process is not None
        most = resource.RLIM_INFINITY if full_bytes is None else full_bytes
        for pid in (self.process.pid, *self._children()):
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        return True

    @property
    def status(self) -> dict[str, Any]:
        """The newest status file of the process that runs; empty before it has one."""
        with contextlib.suppress(FileNotFoundError):
            status: dict[str, Any] = json.loads((self.data / "state" / "recorder.status.json").read_bytes())
            if self.running and self.process is not None and status["pid"] == self.process.pid:
                return status
        return {}

    @property
    def ready(self) -> bool:
        """Whether every feed has all of its connections."""
        feeds = self.status.get("feeds", {})
        return len(feeds) == len(VENUES) and all(
            0 < feed["planned"] <= feed["connections"] for feed in feeds.values()
        )

    @property
    def settled(self) -> bool:
        """Whether tables have caught up and no gap waits to be refilled."""
        status = self.status
        if not status or not self.ready:
            return False
        tables, journal = status["tables"], status["journal"]
        if tables["problem"] or not tables["commits"]:
            return False  # what there is to refill is not known yet
        waiting: int = journal["waiting_records"] + sum(
            feed["gaps_open"] for feed in status["feeds"].values()
        )
        # There are always some under way.
        behind: int = tables["tape_pos"] - tables["next_pos"]
        return waiting < 50 and behind < 500

    def _remember(self) -> None:
        """Hash what the tape has grown by."""
        if not (self.data / "tape").is_dir():
            return
        reader = TapeReader(self.data / "tape")
        for run in reader.read(len(self.seen), reader.end) if reader.end > len(self.seen) else ():
            self.seen += map(hash, run.payloads)


class House:
    """All of it; a context manager.

    Args:
        folder: where everything is kept.
        rate: events a second, over all venues.
        ahead_s: how far all clocks are ahead of the machine's.
    """

    def __init__(self, folder: Path, rate: float, ahead_s: float, **record: Any) -> None:
        self.folder, self.rate, self.ahead_s = folder, rate, ahead_s
        self.offset = Offset(folder / "offset")
        self.offset.set(ahead_s)
        self.network = Network()
        self.venues = {name: Venue(name, folder, ahead_s) for name in VENUES}
        self._record = record
        self.recorder: Recorder

    def __enter__(self) -> House:
        self.network.__enter__()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Venue.start, self.venues.values()))
        addresses = {}
        for name, venue in self.venues.items():
            place = f"127.0.0.1:{self.network.lay(name, venue.port)}"
            addresses[name] = {"url": f"ws://{place}", "rest_url": f"http://{place}"}
        settings = write_settings(self.folder, addresses, **self._record)
        self.recorder = Recorder(settings, self.folder, self.folder / "offset")
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.send(signal.SIGCONT)
        self.recorder.kill()
        for venue in self.venues.values():
            venue.kill()
        self.network.__exit__()

    def now_us(self) -> int:
        """Now, by the venues' clocks."""
        return time.time_ns() // 1000 + round(self.ahead_s * 1e6)

    def trade(self, rate: float) -> None:
        """So many events a second, over all venues."""
        for venue in self.venues.values():
            venue.trade(rate / len(self.venues))

    def exchange_lake(self) -> None:
        """Put a plain file in the lake's place, or the lake in the file's, in one step."""
        lake, file = self.recorder.data / "lake", self.recorder.data / "no-lake"
        if not file.exists():
            file.write_bytes(b"this is no store")
        _exchange(lake, file)

    @property
    def lake_is_down(self) -> bool:
        """Whether a plain file is in its place."""
        return (self.recorder.data / "lake").is_file()


def _exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
