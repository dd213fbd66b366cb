import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from barograph.snapshot import pack, unpack


class Inner(msgspec.Struct):
    array: np.ndarray
    number: float


class State(msgspec.Struct):
    inner: Inner
    by_key: dict[int, np.ndarray]
    names: list[str]


DTYPES = st.sampled_from(["<f8", "<i8", "<i4", "<u4", "i1", "?"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5))


@given(ARRAYS, st.floats(), st.dictionaries(st.integers(0, 2**31), ARRAYS, max_size=3), st.lists(st.text()))
def test_every_bit_of_a_state_comes_back(array, number, by_key, names):
    again = unpack(pack(State(Inner(array, number), by_key, names)), State)
    assert again.inner.array.dtype == array.dtype
    assert again.inner.array.shape == array.shape
    assert again.inner.array.tobytes() == array.tobytes()
    assert np.float64(again.inner.number).tobytes() == np.float64(number).tobytes() or number != number  # noqa: PLR0124
    assert {key: value.tobytes() for key, value in again.by_key.items()} == {
        key: value.tobytes() for key, value in by_key.items()
    }
    assert again.names == names
    if array.size:
        again.inner.array.flat[0] = 0  # what comes back can be written to


def test_pack_given_what_no_state_can_hold_raises():
    class Odd(msgspec.Struct):
        value: object

    with pytest.raises(TypeError, match="cannot hold complex"):
        pack(Odd(1j))
