"""Make the windows that the row network learns from: of CTs synthesised from anatomy crops, and of real CTs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from training.artifacts.files import record_settings
from training.segmentation.data.anatomy_crops import read_anatomy_crop
from training.segmentation.data.annotations import Annotation
from training.segmentation.data.provenance import GENERATOR_VERSION
from training.segmentation.data.real_row_windows import real_row_windows
from training.segmentation.data.scan_files import SACRAL_BODIES
from workers.imaging.volume import read_ct

WINDOWS, REAL_WINDOWS = 3, 24
"""Windows of each synthesised CT, and of each real CT."""
LEAST_BODIES = 5
"""A CT with fewer bodies in view is left out: others may be cut there, and nobody marked them."""
SCANS = 2
"""CTs that are synthesised of a crop each time it is read."""


@dataclass(frozen=True)
class RowFiles:
    """Files of windows: of synthesised CTs (`drawn`), and of `real` ones."""

    drawn: list[Path]
    real: list[Path]


def make_row_windows(crops: list[Path], folder: Path, count: int, jobs: int = -1) -> list[Path]:
    """Synthesise CTs until `folder` has the windows of `count`; return their files. File i depends on i alone."""
    record_settings(folder, generator=GENERATOR_VERSION, crops=len(crops))
    order = np.random.default_rng(0).permutation(len(crops))
    rounds = range(-(-count // SCANS))
    paths = [[folder / f"{i:05d}_{k}.npz" for k in range(SCANS)] for i in rounds]
    missing = [i for i in rounds if not all(path.exists() for path in paths[i])]
    run = Parallel(n_jobs=jobs, return_as="generator_unordered")
    tasks = (delayed(_synthesise)(crops[order[i % len(crops)]], paths[i], i) for i in missing)
    for _ in tqdm(run(tasks), total=len(missing), desc=folder.name, disable=not missing):
        pass
    return [path for scans in paths for path in scans][:count]


def _synthesise(crop_file: Path, paths: list[Path], number: int) -> None:
    """Write one file of windows a path, each of another CT of the crop."""
    import torch

    from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
    from training.segmentation.synthesis.row_windows import Bodies, draw_row_windows

    crop = read_anatomy_crop(crop_file)
    anatomy, bodies = AnatomyTensors.of(crop, torch.device("cpu")), Bodies.of(crop)
    for k, path in enumerate(paths):
        random = np.random.default_rng((number, k))
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        draw_row_windows(random, generator, anatomy, bodies, WINDOWS).save(path)


def make_real_row_windows(annotations: tuple[Annotation, ...], data: Path, folder: Path) -> list[Path]:
    """Write the windows of every marked CT of the data folder that are missing; return the files.

    Bodies of the sacrum are none of the row.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for annotation in annotations:
        centres = np.array([body.centre for body in annotation.bodies if body.level not in SACRAL_BODIES])
        path = folder / f"{Path(annotation.ct).parent.name}.npz"
        if len(centres) < LEAST_BODIES:
            continue
        if not path.exists():
            random = np.random.default_rng(len(paths))
            ct = read_ct(data / annotation.ct)
            real_row_windows(random, ct, centres, (annotation.person,), REAL_WINDOWS).save(path)
        paths.append(path)
    return paths
