"""Whether the intensities of an image are the Hounsfield units of a CT."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.errors import NotHounsfield

_SAMPLE = 4_000_000  # voxels that are looked at, about


def sample_step(n: int) -> int:
    """Return the step, odd, at which the voxels of a CT of `n` are sampled."""
    return max(1, n // _SAMPLE) | 1


def check_hounsfield(sample: NDArray[Any]) -> None:
    """Refuse intensities that cannot be a CT's Hounsfield units.

    Water (0) and air (-1000) fix the Hounsfield scale. That leaves three signs in every CT of a spine, however it was
    cropped, padded or enhanced. MR, exports to 0..255 or 0..1, and CTs without their -1024 offset lack one of them.

    - Fat, marrow, noise, air or padding have *negative* values. Two real CTs have 71 % and 35 % of their voxels below
      -10 HU; 0.5 % are required.
    - Cortical bone exceeds 150 HU: 3 % and 13 % of the voxels; 0.01 % are required.
    - Voxels above -300 HU are neither air nor padding, so they have the density of tissue: their median lies between
      -200 and 500 HU (measured -21 and 26).

    Extremes are not judged: metal reaches 30000, padding -3024 and less.

    Parameters
    ----------
    sample
        (n,) HU: voxels of the CT in steps of `sample_step`.

    Raises
    ------
    NotHounsfield
    """
    low, high = (f"{v:g}" for v in (sample.min(), sample.max()))
    got = f"values {low} to {high}"
    if low == high:
        raise _not_hu("more than one intensity", got)
    negative = float(np.mean(sample < -10))
    if negative < 0.005:
        raise _not_hu("negative values (fat, noise, air) in at least 0.5 % of the voxels", f"{got}, {negative:.2%}")
    bone = float(np.mean(sample > 150))
    if bone < 1e-4:
        raise _not_hu("bone above 150 HU in at least 0.01 % of the voxels", f"{got}, {bone:.3%}")
    tissue = float(np.median(sample[sample > -300]))
    if not -200 <= tissue <= 500:
        raise _not_hu("tissue with a median of -200 to 500 HU", f"{got}, median {tissue:g} above -300")


def _not_hu(expected: str, got: str) -> NotHounsfield:
    detail = (
        "The image does not look like a CT in Hounsfield units. Send the original CT with its rescale slope and "
        "intercept applied (scl_slope, scl_inter), not an MR, a windowed 0..255 export or a normalised image."
    )
    return NotHounsfield(detail, expected=expected, got=got)
