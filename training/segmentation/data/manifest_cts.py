"""The CTs of a list of one's own cases, with their label maps."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from app.contract.params import LEVELS
from training.segmentation.data.real_cts import RealCt, is_whole
from training.shapes.manifest import Case, ManifestError, read_manifest
from training.shapes.sources import ANY_LABEL
from workers.imaging.volume import read_mask

NAME_DIGITS = 12
"""Digits of a SHA-256 in the names of the files that are made of a CT."""


def manifest_cts(path: Path, levels: tuple[str, ...] = LEVELS) -> tuple[RealCt, ...]:
    """Return the CTs of a list (`training.shapes.manifest`), each with the vertebrae that its lines name.

    Lines with the same CT and mask are one CT. Name every vertebra of the mask: a bone that no line names is not
    labelled.

    Raises
    ------
    ManifestError
        As `read_manifest`; or a line has no CT.
    """
    groups: dict[tuple[Path, Path], list[Case]] = {}
    for case in read_manifest(path, levels):
        if case.ct is None:
            raise ManifestError(f"{path}: the mask {case.mask} has no CT, and the networks learn from CTs")
        groups.setdefault((case.ct, case.mask), []).append(case)
    return tuple(_real_ct(ct, mask, cases) for (ct, mask), cases in groups.items())


def _real_ct(ct: Path, mask: Path, cases: list[Case]) -> RealCt:
    """Return the CT of some lines. Files made of it are named by the mask's content, so those of a new mask are new."""
    volume = read_mask(mask)
    labels = {case.level: case.labels for case in cases}
    if ANY_LABEL in labels.values():
        present = tuple(int(value) for value in np.unique(volume.voxels) if value > 0)
        labels = {level: present if values == ANY_LABEL else values for level, values in labels.items()}
    whole = tuple(level for level, values in labels.items() if is_whole(volume, values))
    named = ",".join(f"{level}={values}" for level, values in sorted(labels.items()))
    digest = hashlib.sha256(mask.read_bytes() + str(ct).encode() + named.encode()).hexdigest()[:NAME_DIGITS]
    return RealCt(cases[0].person, ct, mask, labels, whole, scan=digest)
