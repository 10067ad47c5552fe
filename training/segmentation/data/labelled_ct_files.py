"""Write real CTs with label maps as `LabelledCt` files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from models.types import Bytes, Floats
from synthetic_ct.bone_labels import CERVICAL, CERVICAL_LEVELS, SACRUM, THORACOLUMBAR_LEVELS, label_of
from training.segmentation.data.labelled_cts import LabelledCt
from training.segmentation.data.real_cts import RealCt, body_centres
from workers.imaging.resampling import AIR_HU, HIGHEST_HU, canonical
from workers.imaging.volume import Volume
from workers.locate.body_centre import body_centre


def labelled_ct(source: RealCt) -> LabelledCt:
    """Return a real CT with its labels in those of `synthetic_ct.bone_labels`."""
    ct, mask = (canonical(volume) for volume in source.read())
    rows = body_centres(mask, source.labels)
    centres = {level: body_centre(np.isin(mask.voxels, source.labels[level]), mask.affine)[0] for level in source.whole}
    return LabelledCt(
        np.clip(np.rint(ct.voxels), AIR_HU, HIGHEST_HU).astype(np.int16),
        _bone_labels(source, mask),
        ct.affine,
        source.whole,
        np.array([centres[level] for level in source.whole]),
        np.array([_upward(level, rows | centres) for level in source.whole]),
        source.person,
    )


def _bone_labels(source: RealCt, mask: Volume) -> Bytes:
    """Return the labels (i, j, k) of `synthetic_ct.bone_labels`."""
    bone = np.zeros(mask.voxels.shape, np.uint8)
    for level, values in source.labels.items():
        if level in THORACOLUMBAR_LEVELS:
            label = label_of(level)
        else:
            label = CERVICAL if level in CERVICAL_LEVELS else SACRUM if level[0].lower() == "s" else 0
        bone[np.isin(mask.voxels, values)] = label
    return bone


def _upward(level: str, centres: dict[str, Floats]) -> Floats:
    """Return the unit vector (3,) from the body below to the one above, or to and from this one at an end."""
    rank = THORACOLUMBAR_LEVELS.index(level)
    above, own, below = (
        centres.get(name)
        for name in (THORACOLUMBAR_LEVELS[max(rank - 1, 0)], level, (*THORACOLUMBAR_LEVELS, "S1")[rank + 1])
    )
    assert own is not None
    up = (own if above is None else above) - (own if below is None else below)
    length = float(np.linalg.norm(up))
    return up / length if length > 0.0 else np.array([0.0, 0.0, 1.0])


def write_labelled_cts(cts: tuple[RealCt, ...], folder: Path) -> list[Path]:
    """Write CTs where they are missing; return the files. Calibrated densities are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in tqdm(cts, desc=folder.name, disable=None):
        path = folder / f"{source.name}.npz"
        if not source.calibrated and not path.exists():
            labelled_ct(source).save(path)
    return sorted(folder.glob("*.npz"))
