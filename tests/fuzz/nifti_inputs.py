"""Damaged CTs and masks, and the real code that reads them."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from random import Random
from typing import Any

import nibabel as nib
import numpy as np

from app.contract.errors import InternalError, VertebraError
from app.contract.params import JobParams
from tests.fuzz.mutations import damaged
from tests.workers.imaging.nifti_files import image
from tests.workers.template_vertebra import template_vertebra
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask_stage import read_label_map, take_label, vertebra_of_label
from workers.pipeline import surface_of

ODD_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-3, 1e3, 1e-38, 3e38, float("nan"), float("inf"), float("-inf"))
ODD_INTEGERS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 127, -1, 255, 256, 512, 2304, 4096, 32767, -32768, 65535, 2**31 - 1)
MASK_TYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64")
SPACINGS_MM = (0.05, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
VERTEBRA_MM = 3.0
"""Voxel side of a good mask."""
LONGEST_SIDE = 48
"""Voxels of a mask along an axis, so that the whole run takes minutes."""


@cache
def whole_file(kind: type[Any]) -> bytes:
    """Return an undamaged CT, NIfTI-1 or -2."""
    return bytes(image(kind=kind).to_bytes())


def odd_header(random: Random) -> bytes:
    """Return a file some of whose header fields have odd values, or damaged bytes; half of them are compressed."""
    kind = random.choice((nib.Nifti1Image, nib.Nifti2Image))
    raw = bytearray(whole_file(kind))
    dtype = nib.nifti1.header_dtype if kind is nib.Nifti1Image else nib.nifti2.header_dtype
    head = np.frombuffer(raw, dtype, count=1)
    for name in random.sample(dtype.names, random.randint(1, 4)):
        values = head[name][0]
        if dtype[name].base.kind == "S":
            head[name] = random.randbytes(dtype[name].itemsize)
        elif np.ndim(values):
            values[random.randrange(len(values))] = _odd(values.dtype, random)
        else:
            head[name] = _odd(head[name].dtype, random)
    out = damaged(bytes(raw[: dtype.itemsize]), random) + raw[dtype.itemsize :] if random.random() < 0.3 else bytes(raw)
    return gzip.compress(out, 1) if random.random() < 0.5 else out


def _odd(dtype: np.dtype[Any], random: Random) -> Any:
    if dtype.kind == "f":
        drawn = random.choice((*ODD_FLOATS, random.uniform(-1e3, 1e3), struct.unpack("<f", random.randbytes(4))[0]))
        with np.errstate(all="ignore"):
            return np.array(drawn).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return max(low, min(high, random.choice((*ODD_INTEGERS, random.randint(low, high)))))


def odd_gzip(random: Random) -> bytes:
    """Return a gzip stream that is damaged, cut, nested, followed by another, or expands far."""
    data = gzip.compress(whole_file(nib.Nifti1Image), random.choice((1, 6, 9)))
    shape = random.randrange(5)
    if shape == 0:
        return data + damaged(data, random)
    if shape == 1:
        return gzip.compress(data)
    if shape == 2:
        zeros = gzip.compress(whole_file(nib.Nifti1Image) + bytes(random.randrange(1 << 24)), 1)
        return damaged(zeros, random) if random.random() < 0.5 else zeros
    return damaged(data, random)


def odd_mask(random: Random) -> bytes:
    """Return a label map: a vertebra with blobs, or of random shape and orientation; a third of them are damaged."""
    rng = np.random.default_rng(random.getrandbits(64))
    if random.random() < 0.2:
        voxels, affine = template_vertebra(VERTEBRA_MM).voxels.astype(np.float64), template_vertebra(VERTEBRA_MM).affine
    else:
        voxels, affine = np.zeros([random.randint(4, LONGEST_SIDE) for _ in range(3)]), np.eye(4)
        axes, signs = random.sample(range(3), 3), [random.choice((-1, 1)) for _ in range(3)]
        affine[:3, :3] = np.eye(3)[axes] * signs * [random.choice(SPACINGS_MM) for _ in range(3)]
        affine[:3, :3] += rng.normal(0.0, 0.1, (3, 3)) if random.random() < 0.2 else 0.0
        affine[:3, 3] = -affine[:3, :3] @ (0.5 * np.array(voxels.shape)) + rng.normal(0.0, 5.0, 3)
    for _ in range(random.randint(0, 4)):
        voxels[_blob(voxels.shape, random, rng)] = random.choice((0, 1, 1, 1, 2, 20, 256, 1000, 65535, 65536, -1, 0.5))
    with np.errstate(all="ignore"):
        stored = voxels.astype(random.choice(MASK_TYPES))
    out = bytes(nib.Nifti1Image(stored, affine).to_bytes())
    out = damaged(out, random) if random.random() < 0.3 else out
    return gzip.compress(out, 1) if random.random() < 0.5 else out


def _blob(shape: tuple[int, ...], random: Random, rng: np.random.Generator) -> Any:
    kind = random.randrange(4)
    if kind == 0:
        return rng.random(shape) < random.choice((0.001, 0.1, 0.5, 1.0))
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    scaled = [
        (g - random.uniform(0.2, 0.8) * n) / (random.uniform(0.05, 0.6) * n) for g, n in zip(grids, shape, strict=True)
    ]
    away = (
        sum(np.square(g) for g in scaled) if kind < 3 else np.maximum.reduce(np.broadcast_arrays(*map(np.abs, scaled)))
    )
    return (away < 1.0) & (away > (0.6 if kind == 2 else -1.0))


@dataclass
class Readers:
    """Gives damaged files to the code that reads them in a worker.

    Attributes
    ----------
    folder
        Where the file of the moment lies.
    """

    folder: Path
    params: JobParams = field(default_factory=JobParams)

    @cached_property
    def ct(self) -> Volume:
        """The undamaged CT that masks are laid on: bone in the place of the template's vertebra, else tissue."""
        mask = template_vertebra(VERTEBRA_MM)
        noise = np.random.default_rng(0).normal(0.0, 15.0, mask.voxels.shape)
        return Volume((40.0 + 260.0 * mask.voxels + noise).astype(np.int16), mask.affine)

    def read_ct(self, data: bytes) -> str:
        """Read bytes as a CT; return how that ends."""
        path = self._write(data)
        return _ending(lambda: read_ct(path))

    def read_mask(self, data: bytes) -> str:
        """Read bytes as a mask, find the vertebra in it, and make its surface; return how that ends."""
        path = self._write(data)
        return _ending(
            lambda: surface_of(
                vertebra_of_label(take_label(read_label_map(read_mask(path)), self.params), self.ct, self.ct.grid), None
            )
        )

    def _write(self, data: bytes) -> Path:
        path = self.folder / "input"
        path.write_bytes(data)
        return path


def _ending(read: Any) -> str:
    try:
        read()
    except InternalError:
        raise
    except VertebraError as error:
        return error.slug
    return "accepted"
