"""Whether the field of view cuts the vertebra of a label map.

A label that touches the border of a volume is cut there, unless the touching area is that of a rounded tip. Areas were
measured on 33 whole vertebrae (T11 to L5) and on the cut ones of two CTs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.contract.errors import GridMismatch, VertebraTruncated
from models.types import Bools, Floats
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume

MAX_CUT_MM2 = 25.0
MAX_CUT_VOXELS = 3
"""Area of a label on one face of the field of view, whichever is larger. Cut through a body: 360 to 2115 mm²; 12 mm of
a transverse process gone: 26 to 126 mm²."""
MAX_TIGHT_MM2 = 150.0
"""The same where the label touches all six faces: then the volume was cropped tightly and nothing is cut. The outermost
voxel layer of whole vertebrae measures up to 113 mm² at 1 and 2 mm (351 mm² at 3 mm)."""
MAX_OUTSIDE = 0.01
"""Share of the label that may lie outside the CT."""
ROUNDING_VOXELS = 0.001
"""A voxel centre that lies half a voxel beyond the last centre still counts as inside."""


def check_field_of_view(piece: Volume, mask: Grid, ct: Grid) -> None:
    """Refuse a vertebra that the border of the CT, or of the mask's own volume, cuts.

    Parameters
    ----------
    piece
        The label's piece, non-zero inside (`workers.mask.label_piece.cut_out`).
    mask, ct
        The grids whose borders count.

    Raises
    ------
    GridMismatch
        No part of the piece lies on the CT.
    VertebraTruncated
        More than 1 % of it lies outside, or too much of it touches one face of either volume.
    """
    own, other = _Borders.of(piece, mask), _Borders.of(piece, ct)
    if other.outside == 1.0:
        raise GridMismatch(
            "Mask and CT lie in different places of the world. Send the mask that was made from this CT.",
            expected="the label within the CT's field of view",
            got="no voxel of it on the CT",
        )
    if other.outside > MAX_OUTSIDE:
        raise truncated("CT", f"at most {MAX_OUTSIDE:.0%} of the label outside the CT", f"{other.outside:.1%}")
    strict = np.maximum(MAX_CUT_MM2, MAX_CUT_VOXELS * piece.face_mm2)
    borders: tuple[tuple[Literal["CT", "mask"], Floats], ...] = (("CT", other.cut_mm2), ("mask", own.cut_mm2))
    for name, areas in borders:
        allowed = np.full(3, MAX_TIGHT_MM2) if areas.all() else strict
        if (areas > allowed).any():
            worst = np.unravel_index(int((areas - allowed).argmax()), areas.shape)
            expected = f"at most {allowed[worst[1]]:.0f} mm² of the label on one face of the {name}"
            raise truncated(name, expected, f"{areas[worst]:.0f} mm²")


def truncated(border: Literal["CT", "mask"], expected: str, got: str) -> VertebraTruncated:
    """Return the error for a label map's vertebra that the border of the CT, or of the mask's own volume, cuts."""
    advice = {
        "CT": "The vertebra is not whole in the CT. Send a CT that shows all of it, or choose another label.",
        "mask": "The label ends at the border of the mask's own volume. Send the mask on the CT's grid, not cropped, "
        "or choose another label.",
    }
    return VertebraTruncated(advice[border], expected=expected, got=got)


@dataclass(frozen=True)
class _Borders:
    """Where a piece lies beyond the borders of a volume.

    Attributes
    ----------
    outside
        Share of its voxels that lie outside.
    cut_mm2
        (2, 3): with which area it touches the border, backwards and forwards along its own axes.
    """

    outside: float
    cut_mm2: Floats

    @classmethod
    def of(cls, piece: Volume, grid: Grid) -> _Borders:
        """Look at a piece slab by slab: a voxel touches the border if a step from it leads out of the grid."""
        to_grid = np.linalg.inv(grid.affine) @ piece.affine
        total, within, beyond = 0, 0, np.zeros((2, 3))
        for i in range(piece.voxels.shape[0]):
            j, k = np.nonzero(piece.voxels[i])
            points = np.column_stack([np.full(len(j), i), j, k]) @ to_grid[:3, :3].T + to_grid[:3, 3]
            inside = points[_within(points, grid.shape)]
            total, within = total + len(points), within + len(inside)
            for side, sign in enumerate((-1.0, 1.0)):
                for a in range(3):
                    beyond[side, a] += (~_within(inside + sign * to_grid[:3, a], grid.shape)).sum()
        return cls(1.0 - within / total, beyond * piece.face_mm2)


def _within(points: Floats, shape: tuple[int, ...]) -> Bools:
    half = 0.5 + ROUNDING_VOXELS
    inside = (points >= -half) & (points <= np.array(shape) - 1.0 + half)
    return np.asarray(inside.all(axis=1), np.bool_)
