"""Rows of integers as bytes, and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.row_coding import decode_rows, encode_rows
from models.types import Ints


@settings(max_examples=200, deadline=None, database=None)
@given(
    hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 40), st.integers(1, 5)),
        elements=st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 9)),
    )
)
def test_rows_come_back(rows: Ints):
    stored = encode_rows(rows)
    assert stored.dtype == np.uint8
    back = decode_rows(stored)
    assert back.dtype == np.int32
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, rows)


def test_the_bytes_of_rows():
    """Zigzag of the differences, little-endian bytes in planes: first column down the rows, the rest along a row."""
    stored = encode_rows(np.array([[5, 3], [2, 302]], np.int32))
    np.testing.assert_array_equal(stored[:, 0], [[10, 5], [3, 600 % 256]])
    np.testing.assert_array_equal(stored[:, 1], [[0, 0], [0, 600 // 256]])
    assert stored.shape == (2, 4, 2)
    assert not stored[:, 2:].any()
