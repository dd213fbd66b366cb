"""Arrays made straight from memory are those that Arrow itself would have made."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barograph.store.arrays import mask, numbers, one, texts, values

TIME = pa.timestamp("us", tz="UTC")


@settings(deadline=None)  # Arrow's own way loads pandas at first
@given(st.lists(st.one_of(st.none(), st.text())))
def test_texts_are_arrows_own(given: list[str | None]) -> None:
    made = texts(given)
    made.validate(full=True)
    assert made.equals(pa.array(given, pa.string()))


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float64(), pa.bool_(), TIME]
)
@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans()), max_size=40), st.integers(0, 5))
def test_numbers_come_back_as_they_went_in(
    kind: pa.DataType, given: list[tuple[int, bool]], cut: int
) -> None:
    dtype = (
        np.bool_
        if kind == pa.bool_()
        else np.dtype(f"{'f' if kind == pa.float64() else 'i'}{kind.bit_width // 8}")
    )
    plain = np.array([number for number, _ in given], dtype=dtype)
    valid = np.array([known for _, known in given], dtype=np.bool_)
    made = numbers(plain, kind, valid)
    made.validate(full=True)
    expected = [
        number if known else None for number, known in zip(plain.tolist(), valid.tolist(), strict=True)
    ]
    assert (
        made.cast(pa.int64()).to_pylist()
        == pa.array(expected, pa.int64() if kind == TIME else kind).cast(pa.int64()).to_pylist()
    )
    assert values(made[cut:], 0).tolist() == np.where(valid, plain, 0)[cut:].tolist()
    assert (
        values(pa.chunked_array([made[:cut], made[cut:]], kind), 1).tolist()
        == np.where(valid, plain, 1).tolist()
    )


def test_values_given_nulls_that_nobody_speaks_of_are_refused() -> None:
    with pytest.raises(ValueError, match="1 nulls among 2"):
        values(pa.array([1, None], pa.int64()))


def test_numbers_of_another_width_are_refused() -> None:
    with pytest.raises(TypeError, match="int32 is not as wide as int64"):
        numbers(np.zeros(2, dtype=np.int32), pa.int64())


def test_masks_filter_and_scalars_compare() -> None:
    table = pa.table({"a": pa.array([1, 2, 3])})
    assert table.filter(mask(np.array([True, False, True])))["a"].to_pylist() == [1, 3]
    assert one(5, TIME) == pa.scalar(5, TIME)
