"""Rows of integers as bytes that compress well: how the bundle stores tetrahedra and triangles."""

from __future__ import annotations

import numpy as np

from models.types import Bytes, Integers, Ints


def encode_rows(rows: Integers) -> Bytes:
    """Return non-negative integers (m, k) below 2^31 as bytes (k, 4, m).

    The first column holds differences down the rows, the others differences from the column before. Zigzag coding makes
    them non-negative. The four bytes of a number lie in four planes, low byte first. Rows keep their order.
    """
    r = rows.astype(np.int64)
    d = np.concatenate([np.diff(r[:, :1], axis=0, prepend=0), np.diff(r, axis=1)], axis=1)
    zigzag = np.where(d < 0, -2 * d - 1, 2 * d).astype(np.uint32)
    return np.ascontiguousarray(zigzag.T).view(np.uint8).reshape(rows.shape[1], -1, 4).transpose(0, 2, 1).copy()


def decode_rows(stored: Bytes) -> Ints:
    """Return the rows (m, k) int32 of the bytes (k, 4, m) that `encode_rows` made."""
    zigzag = np.ascontiguousarray(stored.transpose(0, 2, 1)).view(np.uint32)[..., 0].astype(np.int64).T
    d = np.where(zigzag & 1, -(zigzag + 1) // 2, zigzag // 2)
    first = np.cumsum(d[:, :1], axis=0)
    return np.ascontiguousarray(np.cumsum(np.concatenate([first, d[:, 1:]], axis=1), axis=1).astype(np.int32))
