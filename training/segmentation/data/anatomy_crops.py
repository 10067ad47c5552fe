"""Crops of drawn anatomy around one vertebra, from which CTs are synthesised; reading them needs NumPy and SciPy alone.

A crop is one volume of bytes. Seven bits hold all that the synthesis needs, so a compressed crop has about 65 kB.
"""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from models.types import Bools, Bytes, Floats
from synthetic_ct.tissue import Tissue
from training.artifacts.files import atomic_path

ANATOMY_LOW, ANATOMY_HIGH = np.array([-76.0, -104.0, -80.0]), np.array([76.0, 60.0, 80.0])
"""Corners of a crop relative to the body centre, mm RAS: the segmenter's window and 12 to 22 mm more."""
ANATOMY_MM = 1.0
"""Spacing of a crop's voxels."""
CENTRE = -ANATOMY_LOW / ANATOMY_MM
"""Voxel (3,) of the body centre in every crop."""

BONE_BIT, JOINT_BIT, BEHIND_BIT, VALUE_BITS = 128, 64, 32, 31
"""Bits of a code: bone, cartilage of a joint, behind the bodies, and the bone's label or the tissue."""
DEPTH_STEP_MM, MOST_DEPTH = 0.1, 255
"""Depth is stored in a byte: 25.5 mm is deeper than any bone."""
SUFFIX = ".xz"
PRESET = 9 | lzma.PRESET_EXTREME
"""Of LZMA: 65 kB a crop, against 89 kB with preset 3 (mean of six crops)."""

DISC_REACH_MM, DISC_START_MM, DISC_SAMPLE_MM, DISC_GAP = 45.0, 25.0, 0.5, 2
"""How far along the axis a disc is looked for, where it begins at the latest, the step, and steps a disc may lack."""

Span = tuple[float, float]
"""Where a disc begins and ends along the axis, mm from the body centre."""


@dataclass(frozen=True)
class AnatomyCrop:
    """What lies around one vertebra.

    Attributes
    ----------
    code
        (i, j, k) uint8, 1 mm apart, RAS: see `encode_anatomy`. The body centre is voxel `CENTRE`.
    level
        Level of the vertebra in the middle.
    people
        Whose vertebrae it shows.
    up
        (3,) unit vector: the body's axis, from its lower to its upper endplate.
    """

    code: Bytes
    level: str
    people: tuple[str, ...]
    up: Floats

    @property
    def bone(self) -> Bytes:
        """(i, j, k) uint8: 0 for no bone, else a label of `synthetic_ct.bone_labels`."""
        return np.where(self.code & BONE_BIT, self.code & VALUE_BITS, 0).astype(np.uint8)

    @property
    def tissue(self) -> Bytes:
        """(i, j, k) uint8 of `Tissue` where there is no bone, 0 in bone."""
        return np.where(self.code & BONE_BIT, 0, self.code & VALUE_BITS).astype(np.uint8)

    @property
    def joint(self) -> Bools:
        """(i, j, k) bool: bone that touches another bone."""
        return (self.code & JOINT_BIT) > 0

    @property
    def behind(self) -> Bools:
        """(i, j, k) bool: behind the vertebral bodies."""
        return (self.code & BEHIND_BIT) > 0

    @cached_property
    def depth(self) -> Bytes:
        """(i, j, k) uint8, `DEPTH_STEP_MM`: distance to the surface of the voxel's own bone, 0 outside."""
        depth = np.zeros(self.code.shape, np.uint8)
        bone = self.bone
        for label, box in enumerate(ndimage.find_objects(bone), start=1):
            if box is None:
                continue
            own = bone[box] == label
            away = ndimage.distance_transform_edt(np.pad(own, 1))[1:-1, 1:-1, 1:-1]
            steps = np.minimum(np.rint(away * (ANATOMY_MM / DEPTH_STEP_MM)), MOST_DEPTH)
            depth[box][own] = steps[own].astype(np.uint8)
        return depth

    @cached_property
    def discs(self) -> tuple[Span | None, Span | None]:
        """Where the discs above and below lie along the axis; None where there is none."""
        return self._disc(1.0), self._disc(-1.0)

    def _disc(self, sign: float) -> Span | None:
        """Return the disc above (1) or below (-1)."""
        along = np.arange(0.0, DISC_REACH_MM, DISC_SAMPLE_MM)
        points = np.rint(CENTRE + np.outer(sign * along, self.up) / ANATOMY_MM).astype(int)
        points = points[((points >= 0) & (points < self.code.shape)).all(axis=1)]
        code = self.code[tuple(points.T)]
        hits = np.flatnonzero((code & (BONE_BIT | VALUE_BITS)) == Tissue.DISC)
        if not len(hits) or along[hits[0]] >= DISC_START_MM:
            return None
        last = hits[int(np.argmax(np.append(np.diff(hits) > DISC_GAP, True)))]
        return float(along[hits[0]]), float(along[last])

    def save(self, path: Path) -> None:
        """Write the crop; `read_anatomy_crop` reads it."""
        header = {"shape": self.code.shape, "level": self.level, "people": self.people, "up": list(map(float, self.up))}
        with atomic_path(path) as part, lzma.open(part, "wb", preset=PRESET) as file:
            file.write(json.dumps(header).encode() + b"\n")
            file.write(np.ascontiguousarray(self.code).tobytes())


def encode_anatomy(bone: Bytes, tissue: Bytes, joint: Bools, behind: Bools) -> Bytes:
    """Return the codes (i, j, k) uint8 of an anatomy; see `AnatomyCrop` for the arguments, all (i, j, k)."""
    value = np.where(bone > 0, BONE_BIT | bone, tissue).astype(np.uint8)
    return value | (joint.astype(np.uint8) * np.uint8(JOINT_BIT)) | (behind.astype(np.uint8) * np.uint8(BEHIND_BIT))


def read_anatomy_crop(path: Path) -> AnatomyCrop:
    """Read a file that `AnatomyCrop.save` wrote."""
    with lzma.open(path) as file:
        header = _header(file)
        code = np.frombuffer(file.read(), np.uint8).reshape(header["shape"])
    return AnatomyCrop(code, header["level"], tuple(header["people"]), np.array(header["up"]))


def people_of(path: Path) -> tuple[str, ...]:
    """Return whose vertebrae a crop shows; the volume is not read."""
    with lzma.open(path) as file:
        return tuple(_header(file)["people"])


def _header(file: Any) -> dict[str, Any]:
    return dict(json.loads(file.readline()))
