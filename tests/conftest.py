"""What all tests share: real recordings, and the rule that continuous integration skips nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
import structlog
from hypothesis import settings

if TYPE_CHECKING:
    from tests.servers.postgres import Server

    from barograph.store.postgres.address import Address

# How long an example takes says more about the machine than about the code.
settings.register_profile("barograph", deadline=None, max_examples=50)
settings.load_profile("barograph")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip where a tool or data may be absent; fail where everything must be there."""
    if os.environ.get("BAROGRAPH_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: one that begins last would be waited for by all."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything must be there, a test that skips has failed."""
    report = yield
    if report.skipped and os.environ.get("BAROGRAPH_REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped, but here everything must run: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings and candles, beside the project's root."""
    if not SHARED_DATA.is_dir():
        skip_or_fail(f"the real recordings are not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def recordings(shared_data: Path) -> Path:
    """The folder of raw exchange recordings."""
    return shared_data / "tapes"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own."""
    from tests.servers.postgres import binaries, server

    if binaries() is None:
        skip_or_fail("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with server() as running:
        yield running


@pytest.fixture
def postgres(postgres_server: Server) -> Address:
    """The address of a new, empty database on it, for its superuser."""
    return postgres_server.create()


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with all that the demo makes. To be read only: all workers of a run share it."""
    from tests.servers.demo_data import make

    return made_once(tmp_path_factory, "demo", make)


@pytest.fixture(scope="session")
def traded_data(demo_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's data, traded over by three strategies. To be read only, as the demo's."""
    from tests.servers.traded import trade

    def make(data: Path) -> None:
        shutil.copytree(demo_data, data)
        trade(data)

    return made_once(tmp_path_factory, "traded", make)


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with each of the studies of ``tests.servers.traded``. To be read only, as the demo's data."""
    from tests.servers.traded import STUDIES, study

    def make(folder: Path) -> None:
        for name in STUDIES:
            study(folder, name)

    return made_once(tmp_path_factory, "studies", make)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The path that ``make`` has filled: once for all workers of a run."""
    import fcntl  # not on every system

    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first one makes it, the others wait for that
        if not (folder / "made").exists():
            make(folder / "data")
            (folder / "made").touch()
    return folder / "data"


@pytest.fixture(autouse=True)
def nobody_has_set_up_logging() -> None:
    """A command sets up logging for its whole process; each test begins as if none had run before."""
    structlog.reset_defaults()
