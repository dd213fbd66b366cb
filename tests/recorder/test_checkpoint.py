import resource
import signal
from pathlib import Path

import pytest

from barograph.errors import StorageFull
from barograph.recorder.checkpoint import Checkpoints


def test_load_returns_what_was_saved_last(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.load() is None
    checkpoints.save(b"one")
    checkpoints.save(b"two")
    assert checkpoints.load() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["line.checkpoint"]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw[:-1] + b"?"])
def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(b"a state of some length")
    checkpoints.path.write_bytes(damage(checkpoints.path.read_bytes()))
    assert checkpoints.load() is None


def test_save_given_no_space_keeps_the_old_checkpoint(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageFull, match="no space left"):
            checkpoints.save(bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert checkpoints.load() == b"old"
    assert len(list(tmp_path.iterdir())) == 1
