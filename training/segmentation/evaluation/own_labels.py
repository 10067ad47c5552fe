"""Our own outlines of a CT as the labels that the segmenter learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.types import Bools, Bytes, Floats
from synthetic_ct.bone_labels import SACRUM, label_of
from training.segmentation.data.annotations import Annotation
from training.segmentation.data.labelled_cts import LabelledCt
from training.segmentation.evaluation.own_outlines import OwnOutline, about, marked_row
from workers.engine import engine
from workers.imaging.network_input import STRUCTURES
from workers.imaging.point_samples import sample_points
from workers.imaging.resampling import crop
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre
from workers.locate.segmenter import VERTEBRA, Segmenter
from workers.locate.segmenter_crop import SegmenterCrop
from workers.locate.vertebra_finder import VertebraLocation
from workers.outline.surface_mask import voxels_inside

GRID_MM = np.array([1.0, 1.0, 1.5])
"""Voxels of CT and labels: thick slices would blur the labels of the endplates."""
BEFORE_MM, BEYOND_MM = np.array([-70.0, -95.0, -60.0]), np.array([70.0, 60.0, 60.0])
"""How far the CT reaches beyond the outermost body centres, to the left, back and below and to the other sides: the
segmenter's window of the outermost vertebra lies in it."""
SACRAL = 0.5
"""Probability from which a voxel is sacrum."""


def labelled_by_us(
    ct: Volume, annotation: Annotation, outlines: dict[str, OwnOutline], cuts: dict[str, float | None]
) -> LabelledCt:
    """Return the CT about some vertebrae with our outlines as its labels.

    Parameters
    ----------
    ct, annotation
        The CT and its marks.
    outlines
        Of `outline_ct`.
    cuts
        The vertebrae to learn from, by level, and how far from its middle plane each ends, mm: what lies beyond is
        rib. None where the outline took no rib. A vertebra is left out where a neighbour in view has no outline: the
        network would learn that the neighbour is no bone.
    """
    shown = annotation.levels
    neighboured = [
        level
        for level in shown
        if level in cuts and all(_has_outline(shown[i], outlines) for i in about(shown.index(level), len(shown)))
    ]
    centres = annotation.centres[[shown.index(level) for level in cuts]]
    low, high = centres.min(axis=0) + BEFORE_MM, centres.max(axis=0) + BEYOND_MM
    shape = tuple(int(n) + 1 for n in (high - low) / GRID_MM)
    part = crop(ct, low, (shape[0], shape[1], shape[2]), GRID_MM)
    bone = _bone_labels(ct, part, annotation, outlines)
    for level, reach in cuts.items():
        if reach is not None:
            _cut_ribs(bone, part, annotation, level, reach)
    masks = {level: bone == label_of(level) for level in neighboured}
    return LabelledCt(
        np.rint(part.voxels).astype(np.int16),
        bone,
        part.affine,
        tuple(neighboured),
        np.array([body_centre(mask, part.affine)[0] for mask in masks.values()]).reshape(-1, 3),
        np.array([_upward(annotation, level) for level in neighboured]).reshape(-1, 3),
        annotation.person,
    )


def _has_outline(level: str, outlines: dict[str, OwnOutline]) -> bool:
    return level == "S1" or (level in outlines and outlines[level].surface is not None)


def _bone_labels(ct: Volume, part: Volume, annotation: Annotation, outlines: dict[str, OwnOutline]) -> Bytes:
    """Return the labels (i, j, k) of `synthetic_ct.bone_labels`. Outlines that a job accepts go before others."""
    bone = np.zeros(part.voxels.shape, np.uint8)
    if "S1" in annotation.levels and "L5" in outlines:
        bone[_sacrum(ct, annotation, part)] = SACRUM
    for outline in sorted(outlines.values(), key=lambda outline: outline.accepted):
        if outline.surface is not None:
            bone[voxels_inside(outline.surface, part.affine, part.voxels.shape)] = label_of(outline.level)
    return bone


def _cut_ribs(bone: Bytes, part: Volume, annotation: Annotation, level: str, reach: float) -> None:
    """Take from a vertebra's label what lies further than `reach` mm to either side of its body centre."""
    body = annotation.body(level)
    assert body is not None
    index = np.argwhere(bone == label_of(level))
    side = np.abs(index[:, 0] * part.spacing[0] + part.affine[0, 3] - body.centre[0])
    bone[tuple(index[side > reach].T)] = 0


def _sacrum(ct: Volume, annotation: Annotation, part: Volume) -> Bools:
    """Return which voxels of a grid are sacrum, as the segmenter sees it about L5."""
    finder, last = engine().finder, annotation.levels.index("L5")
    location = VertebraLocation("L5", annotation.centres[last], marked_row(annotation))
    sacrum = Segmenter(_Structure(finder.segmenter.session, "sacrum"))
    every_slice = SegmenterCrop(outward=False)  # the sacrum lies below L5's centre
    seen = sacrum.probability(ct, location.centre, every_slice, location.frame)
    index = np.moveaxis(np.indices(part.voxels.shape, np.float32), 0, -1)
    world = index @ part.affine[:3, :3].T + part.affine[:3, 3]
    return np.asarray(sample_points(seen, world, 0.0) > SACRAL)


@dataclass(frozen=True)
class _Structure:
    """The segmenter's session with another structure in the place of the vertebra."""

    session: Any
    structure: str

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        found = self.session.run(names, inputs)[0]
        found[:, VERTEBRA] = found[:, STRUCTURES.index(self.structure)]
        return [found]


def _upward(annotation: Annotation, level: str) -> Floats:
    """Return the unit vector (3,) from the body below to the one above."""
    row = about(annotation.levels.index(level), len(annotation.bodies))
    up = annotation.centres[row[0]] - annotation.centres[row[-1]]
    return np.asarray(up / np.linalg.norm(up))
