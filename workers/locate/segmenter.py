"""Segment one vertebra slice by slice around its body centre (paper section II.B)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from models.types import Floats, Singles
from workers.imaging.network_input import STRUCTURES
from workers.imaging.resampling import CROP_STEP_MM, UPRIGHT, sample
from workers.imaging.steps import Told, nobody
from workers.imaging.volume import Volume
from workers.locate.outward import look_at_all, look_outward
from workers.locate.segmenter_crop import BODY, CROP_LOW, CROP_SHAPE, WHOLE, CropSlices, SegmenterCrop

SECOND_VIEW_DEG = 12.0
"""Turn of the second view about the axis from right to left: its slices cut the endplates, which the first view's run
along."""
POINT_SLICES = 3
"""Slices that are segmented about a point: its own, the one above and the one below."""
VERTEBRA = STRUCTURES.index("vertebra")
MASK_MM = 1.0
"""Voxel side of the mask."""
INSIDE = 0.4
"""Probability from which a voxel is in the mask. At 0.5 tips of processes were lost that 0.4 keeps, with as much
overlap (a trial on 14 synthetic vertebrae of people held out)."""


class Segmenter:
    """Runs the network.

    Parameters
    ----------
    session
        ONNX Runtime session of the exported network: ``slices`` (b, CHANNELS, h, w) to ``probability``
        (b, len(STRUCTURES), h, w).
    """

    def __init__(self, session: Any) -> None:
        self.session = session

    def probability(
        self, ct: Volume, centre: Floats, crop: SegmenterCrop = WHOLE, turn: Floats = UPRIGHT, told: Told = nobody
    ) -> Volume:
        """Return the probability (i, j, k) float32 that a voxel belongs to the vertebra about `centre` (3,) mm RAS.

        Parameters
        ----------
        ct
            HU, any orientation.
        centre
            Body centre, or any point in the vertebra with a crop that fits it.
        crop
            Which part of the CT.
        turn
            (3, 3) rotation whose columns are the crop's axes in the world (`workers.imaging.frame.frame_of`).
        told
            Told after each batch of slices.
        """
        slices = CropSlices(ct, np.asarray(centre, np.float64), crop, turn)
        out = np.zeros(crop.shape, np.float32)

        def look(planes: range) -> Singles:
            found = self.session.run(["probability"], {"slices": slices.of(planes)})[0][:, VERTEBRA]
            out[:, :, planes.start : planes.stop] = found.transpose(1, 2, 0)
            return np.asarray(found.max(axis=(1, 2)))

        if crop.outward:
            look_outward(look, crop.shape[2], int(np.abs(crop.heights).argmin()), told)
        else:
            look_at_all(look, crop.shape[2], told)
        return Volume(out, slices.affine)

    def second_view(self, ct: Volume, centre: Floats, turn: Floats, told: Told = nobody) -> Volume:
        """Return the probability about a body alone, in a frame that is turned by `SECOND_VIEW_DEG` against `turn`.

        Where it disagrees with `probability` the outline is wrong (`workers.outline.views`).
        """
        again = turn @ Rotation.from_euler("x", SECOND_VIEW_DEG, degrees=True).as_matrix()
        return self.probability(ct, centre, BODY, again, told)

    def probability_at(self, ct: Volume, centre: Floats, point: Floats, turn: Floats, slack_mm: float) -> float:
        """Return how probable it is that a point (3,) mm RAS, or one within `slack_mm`, belongs to a vertebra.

        Only the slices about the point are segmented. 0 where the point lies beyond the crop.

        Parameters
        ----------
        ct, centre, turn
            See `probability`; `centre` is the vertebra's body centre.
        point
            (3,) mm RAS.
        slack_mm
            mm.
        """
        offset = turn.T @ (point - centre)
        voxel = (offset - CROP_LOW) / CROP_STEP_MM
        if (voxel < 0.0).any() or (voxel > np.array(CROP_SHAPE) - 1.0).any():
            return 0.0
        low = (CROP_LOW[0], CROP_LOW[1], float(offset[2] - CROP_STEP_MM[2]))
        about = SegmenterCrop(low, (*CROP_SHAPE[:2], POINT_SLICES), outward=False)
        seen = self.probability(ct, centre, about, turn).voxels
        i, j = np.rint(voxel[:2]).astype(int)
        reach = int(np.ceil(slack_mm))
        return float(seen[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1].max())


def as_mask(probability: Volume) -> Volume:
    """Return voxels of `MASK_MM` (uint8, 1 inside) where the interpolated probability exceeds `INSIDE`.

    Their axes are those of the world, whatever those of the probability.
    """
    ends = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in probability.voxels.shape])).reshape(3, -1)
    corners = probability.affine[:3, :3] @ ends + probability.affine[:3, 3:]
    low, high = corners.min(axis=1), corners.max(axis=1)
    shape = tuple(int(n) for n in np.floor((high - low) / MASK_MM + 1e-6).astype(int) + 1)
    fine = sample(probability, low, np.full(3, MASK_MM), (shape[0], shape[1], shape[2]), 0.0)
    return Volume((fine.voxels > INSIDE).astype(np.uint8), fine.affine)
