"""Tissues of the scan itself whose attenuation is known: air, fat, muscle and blood around a vertebra.

Each is found by where it lies relative to the vertebra, cut back from its edges so that no cell holds two tissues, and
measured at the mode of its cells: fat between muscle fibres, vessels and septa shift a mean, and not a mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from models.types import Bools, Reals
from workers.bone.surroundings import Surroundings

Tissue = Literal["air", "adipose", "muscle", "blood"]

BODY_HU, AIR_HU = -300.0, -600.0
"""The patient is denser than the first. Outside it, what is less dense than the second is air, even where its numbers
are no HU: whoever reads them judges that."""
LEAST_HU, MOST_HU = -32768.0, 32767.0
"""What the 16 bits of a CT hold; numbers beyond are no measurement, and bound neither time nor memory."""
CLEAR_OF_BODY_MM, MOST_FILLED = 9.0, 0.5
"""From clothes, the table and the blur of the skin; and the share of the cells outside that may have been filled in."""
SKIN_MM, SUBCUTANEOUS_MM = 5.0, 35.0
"""Fat so deep below the surface is subcutaneous: below the skin, and before the organs' own fat."""
ADIPOSE_HU, SOFT_HU = (-180.0, -40.0), (-20.0, 160.0)
"""Cells of fat, and of muscle or blood with some contrast agent; noise of 30 HU in a voxel leaves both whole."""
DENSE_HU = 160.0
"""Bone and what encloses it is not soft tissue."""
PARASPINAL_MM = ((12.0, 50.0), (-85.0, -25.0))
"""Erector spinae and multifidus: to the side, and behind the centre of the vertebral body."""
VESSEL_MM = ((-32.0, 24.0), (18.0, 52.0))
"""Aorta and vena cava: to the right, and before the centre of the vertebral body."""
VESSEL_RADIUS_MM = 6.0
"""Of the disc that has to be even: less than that of an aorta or a vena cava."""
BLOOD_HU = (15.0, 600.0)
CONTRAST_HU, MOST_UNEVEN = 90.0, 3.0
"""Blood that is denser has contrast agent. The disc beside the most even one may have so many times its spread."""
MOST_SPREADS, LEAST_SPREAD_HU = 4.0, 5.0
"""Cells along the vessel that differ by more of the disc's standard deviations are its wall's chalk, or beside it."""
LEAST_CM3 = {"air": 2.0, "adipose": 1.5, "muscle": 4.0, "blood": 0.8}
"""Less of a tissue is not told from other things."""
BIN_HU, SMOOTHING_BINS, WINDOW_HU = 2.0, 4.0, 25.0
"""Of the histogram whose peak is the mode, and around the peak the cells whose mean refines it."""


@dataclass(frozen=True)
class Reference:
    """What the cells of one tissue have.

    Attributes
    ----------
    hounsfield, spread
        Their mode and standard deviation, HU.
    volume_cm3
        How much of the tissue was measured.
    """

    hounsfield: float
    spread: float
    volume_cm3: float


References = Mapping[Tissue, Reference]


def find_references(around: Surroundings) -> References:
    """Return each tissue that is found around a vertebra."""
    depth = _depth_mm(around)
    found: dict[Tissue, Bools] = {
        "air": _air(around, depth),
        "adipose": _adipose(around, depth),
        "muscle": _paraspinal(around),
        "blood": _vessel(around),
    }
    return {
        tissue: Reference(mode_of(values), float(values.std()), len(values) * around.cell_cm3)
        for tissue, cells in found.items()
        if len(values := around.hounsfield[cells]) * around.cell_cm3 >= LEAST_CM3[tissue]
    }


def mode_of(values: Reals) -> float:
    """Return the peak of the smoothed histogram of values (n,), refined by the mean of the values about it.

    Values beyond `LEAST_HU` and `MOST_HU` count as these.
    """
    values = np.clip(values, LEAST_HU, MOST_HU)
    low, high = float(values.min()) - 20.0, float(values.max()) + 20.0
    counts, edges = np.histogram(values, np.arange(low, high + BIN_HU, BIN_HU))
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), SMOOTHING_BINS)
    peak = edges[int(smooth.argmax())] + BIN_HU / 2.0
    return float(values[np.abs(values - peak) <= WINDOW_HU].mean(dtype=np.float64))


def _depth_mm(around: Surroundings) -> Reals:
    """Return how deep (i, j, k) cells lie below the patient's surface, mm; negative outside, far where none is seen."""
    tissue = around.hounsfield > BODY_HU
    parts, _ = ndimage.label(ndimage.binary_opening(tissue))
    nearest = np.unravel_index(np.square(around.place).sum(axis=-1).argmin(), parts.shape)
    labels = np.bincount(parts[parts > 0]) if parts.any() else np.zeros(1, int)
    patient = parts == (parts[nearest] or int(labels.argmax()))
    outside, _ = ndimage.label(~patient)
    sizes = np.bincount(outside.ravel())
    sizes[0] = 0
    open_air = outside == int(sizes.argmax()) if sizes.any() else np.zeros(patient.shape, bool)
    if not _reaches_the_edge(open_air):
        return np.full(patient.shape, np.inf, np.float32)
    inward = ndimage.distance_transform_edt(~open_air, around.spacing)
    outward = ndimage.distance_transform_edt(open_air, around.spacing)
    return np.asarray(inward - outward, np.float32)


def _reaches_the_edge(cells: Bools) -> bool:
    """Whether cells touch a side of their box."""
    return any(cells.take(end, axis).any() for axis in range(3) for end in (0, -1) if cells.shape[axis] > 1)


def _air(around: Surroundings, depth: Reals) -> Bools:
    """Return the air outside the patient; none where most was filled in, as the rest is then beside the skin."""
    outside = depth < -CLEAR_OF_BODY_MM
    if not outside.any() or around.padding[outside].mean() > MOST_FILLED:
        return np.zeros(outside.shape, bool)
    return np.asarray(outside & (around.hounsfield < AIR_HU) & (around.hounsfield > LEAST_HU) & ~around.padding)


def _clear_of_edges(cells: Bools) -> Bools:
    """Return the cells whose six neighbours are of the same tissue."""
    return np.asarray(ndimage.binary_erosion(cells))


def _adipose(around: Surroundings, depth: Reals) -> Bools:
    """Return subcutaneous fat; where too little of it is in view, all fat around the vertebra."""
    low, high = ADIPOSE_HU
    fat = _clear_of_edges((around.hounsfield > low) & (around.hounsfield < high))
    subcutaneous = fat & (depth > SKIN_MM) & (depth < SUBCUTANEOUS_MM)
    enough = subcutaneous.sum() * around.cell_cm3 >= LEAST_CM3["adipose"]
    return subcutaneous if enough else fat & (depth > SKIN_MM)


def _paraspinal(around: Surroundings) -> Bools:
    """Return the muscle beside and behind the vertebral arch."""
    (near, far), (back, front) = PARASPINAL_MM
    side, forward = np.abs(around.place[..., 0]), around.place[..., 1]
    there = (side > near) & (side < far) & (forward > back) & (forward < front)
    dense = ndimage.binary_dilation(around.hounsfield > DENSE_HU)
    low, high = SOFT_HU
    soft = (around.hounsfield > low) & (around.hounsfield < high) & ~dense
    return np.asarray(_clear_of_edges(soft) & there)


def _vessel(around: Surroundings) -> Bools:
    """Return the most even disc of soft tissue before the vertebral body, or one beside it with contrast agent."""
    (left, right), (back, front) = VESSEL_MM
    sideways, forward = around.place[..., 0], around.place[..., 1]
    there = (sideways > left) & (sideways < right) & (forward > back) & (forward < front)
    if not there.any():
        return there
    disc = _disc(around)
    box = tuple(
        slice(max(side.start - reach, 0), side.stop + reach)
        for side, reach in zip(ndimage.find_objects(there.astype(np.int8))[0], disc.shape, strict=True)
    )
    intensity = around.hounsfield[box]
    mean = ndimage.convolve(intensity, disc, mode="nearest")
    square = ndimage.convolve(np.square(intensity), disc, mode="nearest")
    spread = np.sqrt(np.maximum(square - np.square(mean), 0.0))
    spread[~there[box] | (mean < BLOOD_HU[0]) | (mean > BLOOD_HU[1])] = np.inf
    centre = _middle(mean, spread, sideways[box])
    found = np.zeros(there.shape, bool)
    if np.isfinite(spread[centre]):
        away = np.linalg.norm((around.place[box] - around.place[box][centre])[..., :2], axis=-1)
        alike = np.abs(intensity - mean[centre]) < MOST_SPREADS * max(float(spread[centre]), LEAST_SPREAD_HU)
        found[box] = (away <= VESSEL_RADIUS_MM) & alike
    return found


def _middle(mean: Reals, spread: Reals, sideways: Reals) -> tuple[np.intp, ...]:
    """Return the index of the most even disc (i, j, k), or of the brighter one where it has contrast agent.

    One is to the left, as the aorta; one to the right, as the vena cava, which an arterial phase leaves dark.
    """
    left, right = (np.where(side, spread, np.inf) for side in (sideways < 0.0, sideways >= 0.0))
    sides = [np.unravel_index(int(side.argmin()), side.shape) for side in (left, right)]
    even, other = sorted(sides, key=lambda at: float(spread[at]))
    is_even = spread[other] <= MOST_UNEVEN * max(float(spread[even]), LEAST_SPREAD_HU)
    return other if is_even and mean[other] > max(float(mean[even]), CONTRAST_HU) else even


def _disc(around: Surroundings) -> Reals:
    """Return the weights, of sum 1, of the cells within `VESSEL_RADIUS_MM` of one across the vertebra's axis."""
    reach = np.maximum(np.floor(VESSEL_RADIUS_MM / around.spacing), 1).astype(int)
    place = np.moveaxis(np.mgrid[tuple(slice(-n, n + 1) for n in reach)], 0, -1) @ around.steps
    within = (np.linalg.norm(place[..., :2], axis=-1) <= VESSEL_RADIUS_MM) & (np.abs(place[..., 2]) <= VESSEL_RADIUS_MM)
    return np.asarray(within / within.sum(), np.float32)
