"""Names of NumPy array types by what they hold; docstrings give shapes, units and frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Reals = NDArray[np.floating]
"""Floats of any precision."""
Ints = NDArray[np.int32]
Integers = NDArray[np.integer]
"""Whole numbers of any size, such as the ids that a search returns."""
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
