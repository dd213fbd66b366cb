"""A store is asked again for a while, and no longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from barograph.errors import StorageFull, UsageError
from barograph.recorder.patience import patiently


@pytest.fixture(autouse=True)
def _without_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def test_what_works_the_third_time_is_taken() -> None:
    answers = iter([StorageFull("full"), StorageFull("full"), 7])

    def asked() -> int:
        answer = next(answers)
        if isinstance(answer, StorageFull):
            raise answer
        return answer

    assert patiently(asked) == 7


def test_what_never_works_keeps_its_kind_and_tells_the_remedy() -> None:
    def refused() -> None:
        raise StorageFull("no space on db.example")

    with pytest.raises(StorageFull, match=r"no space on db\.example; tried for 60 s.*same command again"):
        patiently(refused)


def test_what_a_person_must_mend_is_told_at_once() -> None:
    tries = []

    def wrong() -> None:
        tries.append(1)
        raise UsageError("wrong")

    with pytest.raises(UsageError):
        patiently(wrong)
    assert len(tries) == 1
