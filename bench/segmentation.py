"""Time and memory of finding L1 in a CT of 512 x 512 x 133 voxels, and of twice as many slices.

A job without a mask does as much before the morph: locate, segment, fit the surface to the edges.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import workers  # noqa: F401  (thread settings, before NumPy)
from models.types import Floats

import nibabel as nib  # isort: skip
import numpy as np
import psutil
from scipy import ndimage

from bench.memory import watch_growth
from synthetic_ct.person import Person
from synthetic_ct.spine import make_spine, make_template_spine
from synthetic_ct.vertebra import Spine
from synthetic_ct.whole_ct import scan_person
from workers.engine import engine
from workers.imaging.volume import Volume
from workers.pipeline import surface_of
from workers.vertebra_stage import segment_vertebra

SHAPE = (512, 512, 133)
PIXEL_MM, SLICE_MM = 0.8, 2.5
"""A usual scan of trunk or spine: 410 mm wide, 332 mm high."""
DRAWN_MM = 2.0
"""Spacing that the person is drawn with; the scan is interpolated from it."""
NOISE_HU = 15.0
"""Noise of a usual protocol."""
REPEATS = 3
SEED = 1
"""Which person is scanned: one whose L1 is found at both heights, so that a whole job is timed."""


def straight_spine(random: np.random.Generator) -> Spine:
    """Return the spine of the person who is scanned, without deformity: only time and memory are measured."""
    return make_spine(random, [make_template_spine()], bent=False)


def hospital_ct(slices: int = SHAPE[2]) -> Volume:
    """Return a synthetic trunk about L2, `slices` high: int16 HU, voxel axes LPS."""
    random = np.random.default_rng(SEED)
    person = Person.make(random, straight_spine(random))
    l2 = next(v.centre for v in person.spine.vertebrae if v.level == "L2")
    extent = np.array([SHAPE[0] * PIXEL_MM, SHAPE[1] * PIXEL_MM, slices * SLICE_MM])
    middle = np.array([*person.torso.centre, l2[2]])
    drawn = scan_person(random, person, middle - extent / 2, middle + extent / 2, spacing=DRAWN_MM).ct
    step = np.array([PIXEL_MM, PIXEL_MM, SLICE_MM])
    fine = ndimage.affine_transform(
        drawn.voxels.astype(np.float32),
        step / drawn.spacing,
        output_shape=(*SHAPE[:2], slices),
        order=1,
        mode="nearest",
    )
    fine += NOISE_HU * random.standard_normal(fine.shape, np.float32)
    affine = np.diag([-step[0], -step[1], step[2], 1.0])
    affine[:3, 3] = drawn.affine[:3, 3] + [step[0] * (SHAPE[0] - 1), step[1] * (SHAPE[1] - 1), 0.0]
    return Volume(np.asfortranarray(fine[::-1, ::-1]).astype(np.int16), affine)


def true_centre() -> Floats:
    """Return the body centre (3,) mm RAS of L1 in `hospital_ct`."""
    spine = straight_spine(np.random.default_rng(SEED))
    return next(v.centre for v in spine.vertebrae if v.level == "L1")


def write_ct(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI."""
    nib.save(nib.Nifti1Image(volume.voxels, volume.affine), path)


def measure(ct: Volume) -> dict[str, float]:
    """Locate, segment and fit to the edges once; return seconds a stage and by how many MB the process grew at most."""
    with watch_growth(psutil.Process()) as grown:
        start = time.perf_counter()
        location = engine().finder.locate(ct, engine().finder.row(ct), "L1")
        middle = time.perf_counter()
        clean, evidence = segment_vertebra(ct, location)
        segmented = time.perf_counter()
        surface_of(clean, evidence)
        end = time.perf_counter()
    assert location.decision is not None
    return {
        "localise_s": middle - start,
        "segment_s": segmented - middle,
        "edges_s": end - segmented,
        "total_s": end - start,
        "growth_mb": grown.mb,
        "confidence": location.decision.confidence,
        "volume_cm3": clean.volume_mm3 / 1000.0,
        "off_mm": float(np.linalg.norm(location.centre - true_centre())),
    }


def main(target: Path) -> None:
    """Print the figures and write them to `target`."""
    result: dict[str, Any] = {}
    _ = engine().finder  # loads the networks
    for slices in (SHAPE[2], 2 * SHAPE[2]):
        ct = hospital_ct(slices)
        runs = [measure(ct) for _ in range(REPEATS)]
        figures = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        figures["growth_mb"] = max(run["growth_mb"] for run in runs)
        result[f"slices_{slices}"] = figures
        print(
            f"{SHAPE[0]} x {SHAPE[1]} x {slices}: {figures['total_s']:.2f} s (locate {figures['localise_s']:.2f}, "
            f"segment {figures['segment_s']:.2f}, fit to the edges {figures['edges_s']:.2f}; median of {REPEATS}), "
            f"at most {figures['growth_mb']:.0f} MB above the volume; {figures['off_mm']:.1f} mm off L1's centre"
        )
    few, many = (result[f"slices_{n}"]["localise_s"] for n in (SHAPE[2], 2 * SHAPE[2]))
    print(f"twice as many slices: {many / few:.2f} times the time to locate")
    target.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
