"""Whole vertebrae with exact outlines: CTs synthesised from the anatomy of people whom the base has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import torch

from models.types import Floats
from synthetic_ct.bone_labels import label_of
from training.segmentation.data.anatomy_crops import AnatomyCrop, people_of, read_anatomy_crop
from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.data.reference_cases import ReferenceCase
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.fields import interpolate, voxel_grid
from training.segmentation.synthesis.hounsfield import synthesise_hu
from training.segmentation.synthesis.scanner import FIELD_HIGH, FIELD_LOW, ScanPlan, scan
from training.segmentation.synthesis.warp import Warp
from workers.imaging.resampling import AIR_HU, HIGHEST_HU
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre

PITCH_MM = 35.0
"""Where the next bodies are said to lie along the axis: the crop does not show them whole."""
REFERENCE_MM = 1.0
"""Voxel side of the reference mask."""


def held_out_crops(folder: Path, seed: int = 1) -> list[Path]:
    """Return the anatomy crops about a vertebra of one of `SCANNED_PEOPLE`, in a random order."""
    files = [path for path in sorted(folder.glob("*.xz")) if people_of(path)[0] in SCANNED_PEOPLE]
    return [files[i] for i in np.random.default_rng(seed).permutation(len(files))]


def synthesised_cases(files: list[Path], seed: int = 77) -> Iterator[ReferenceCase]:
    """Yield CTs with their reference masks, one a crop and then others; never ends.

    Vertebrae that the warp moves out of the field are left out.
    """
    for number, path in enumerate(cycle(files)):
        case = synthesise_case(read_anatomy_crop(path), (seed, number))
        if case is not None:
            yield case


def synthesise_case(crop: AnatomyCrop, seed: tuple[int, int]) -> ReferenceCase | None:
    """Return a CT of a crop whose field of view is not cut; None where the vertebra does not fit."""
    random = np.random.default_rng(seed)
    anatomy = AnatomyTensors.of(crop, torch.device("cpu"))
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    hu = synthesise_hu(random, generator, anatomy)
    warp, plan = Warp.draw(random, generator, anatomy), ScanPlan.draw(random)
    plan = ScanPlan.of(plan.protocol, plan.thick_axis, float(plan.step[plan.thick_axis]), (FIELD_LOW, FIELD_HIGH))
    ct = scan(random, generator, hu, warp, plan)[0, 0].numpy()
    reference = _reference(anatomy, warp)
    if _touches_border(reference.voxels):
        return None
    centre, _ = body_centre(reference.voxels > 0, reference.affine)
    name = f"{seed[1]:03d} {crop.level} of {crop.people[0]}, {plan.step[plan.thick_axis]:.1f} mm"
    volume = Volume(np.clip(np.rint(ct), AIR_HU, HIGHEST_HU).astype(np.int16), _affine(plan.low, plan.step))
    case = ReferenceCase(name, volume, reference, centre)
    up = warp.up_in_scanner
    return replace(case, neighbours=(centre + PITCH_MM * up, centre - PITCH_MM * up))


def _reference(anatomy: AnatomyTensors, warp: Warp) -> Volume:
    """Return the mask (0 or 1) of the vertebra in the middle, as it lies in the scanner."""
    shape = tuple(int(n) for n in (FIELD_HIGH - FIELD_LOW) / REFERENCE_MM + 1.0)
    points = voxel_grid(shape, torch.device("cpu")) * REFERENCE_MM + torch.tensor(FIELD_LOW, dtype=torch.float32)
    own = (anatomy.is_bone & (anatomy.value == label_of(anatomy.level))).float()[None, None]
    inside = interpolate(own, warp(points))[0] > 0.5
    return Volume(inside.numpy().astype(np.uint8), _affine(FIELD_LOW, np.full(3, REFERENCE_MM)))


def _touches_border(mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    return any(mask.take(end, axis=axis).any() for axis in range(3) for end in (0, -1))


def _affine(low: Floats, step: Floats) -> Floats:
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = low
    return affine
