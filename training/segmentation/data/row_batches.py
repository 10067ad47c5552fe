"""Batches of the row network: windows along the spine, varied."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.types import Bytes, Singles
from training.artifacts.files import save_npz
from workers.imaging.network_input import HIGH_HU, LOW_HU, normalise
from workers.imaging.resampling import AIR_HU

WINDOW_SLICES = 64
"""Slices of a window, 2 mm apart: three to five bodies."""
HEAT_SD_MM = 4.5
"""Standard deviation of the mark of a body centre: marks of neighbours stay apart."""
ROW_BATCH = {"paper": 6, "shipped": 6, "tiny": 2}
"""Windows in a batch."""
GAIN, OFFSET_HU = (0.9, 1.1), 30.0
"""Range of the factor of the HU, and largest offset: other scanners and tube voltages. By judgement."""
NOISE_SHARE, NOISE_HU = 0.4, (3.0, 50.0)
"""How often noise is added, and its standard deviation, on a logarithmic scale."""
END_SHARE, MOST_CUT = 0.35, 40
"""How often the scan ends within the window, and how many slices it lacks then at most."""
MARKS = 4
"""Channels of the marks: body, disc, sacrum, and where the bodies are known."""


@dataclass(frozen=True)
class RowWindows:
    """Windows of one CT along the spine.

    Attributes
    ----------
    image
        (n, i, j, k) uint8: HU from `LOW_HU` to `HIGH_HU`, `ROW_MM` apart.
    marks
        (n, MARKS, i, j, k) uint8, 0 to 255.
    people
        Whose vertebrae they show.
    drawn
        Whether disc and sacrum are marked too. Nobody marked them in real CTs.
    """

    image: Bytes
    marks: Bytes
    people: tuple[str, ...]
    drawn: bool = True

    def save(self, path: Path) -> None:
        """Write the windows; `read_row_windows` reads them."""
        save_npz(path, image=self.image, marks=self.marks, people=np.array(self.people), drawn=np.array(self.drawn))


def encode_hu(hu: Singles) -> Bytes:
    """Return HU as bytes: 6 HU a step, less than any noise."""
    steps = (np.clip(hu, LOW_HU, HIGH_HU) - LOW_HU) * (255.0 / (HIGH_HU - LOW_HU))
    return np.rint(steps).astype(np.uint8)


def read_row_windows(path: Path) -> RowWindows:
    """Read a file that `RowWindows.save` wrote."""
    with np.load(path) as stored:
        return RowWindows(stored["image"], stored["marks"], tuple(map(str, stored["people"])), bool(stored["drawn"]))


@dataclass(frozen=True)
class RowBatches:
    """Draws batches.

    Attributes
    ----------
    paths
        Windows of synthesised CTs.
    size
        Windows in a batch.
    real
        Windows of real CTs.
    real_share
        How often one of these is taken.
    seed
        A batch depends on it and on its number alone.
    """

    paths: list[Path]
    size: int
    real: list[Path] = field(default_factory=list)
    real_share: float = 0.0
    seed: int = 0

    def batch(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return a batch.

        Returns
        -------
        Images (b, 1, i, j, k) float32 as the network takes them, marks (b, MARKS, i, j, k) from 0 to 1, and whether
        disc and sacrum are marked (b,) bool.
        """
        random = np.random.default_rng((self.seed, number))
        images, marks, drawn = zip(*(self._draw(random) for _ in range(self.size)), strict=True)
        return torch.from_numpy(np.stack(images)[:, None]), torch.from_numpy(np.stack(marks)), torch.tensor(drawn)

    def _draw(self, random: np.random.Generator) -> tuple[Singles, Singles, bool]:
        is_real = bool(self.real) and random.random() < self.real_share
        paths = self.real if is_real else self.paths
        windows = read_row_windows(paths[random.integers(len(paths))])
        which = int(random.integers(len(windows.image)))
        return *vary_window(random, windows.image[which], windows.marks[which]), windows.drawn


def vary_window(random: np.random.Generator, image: Bytes, marks: Bytes) -> tuple[Singles, Singles]:
    """Return a window (i, j, k) as the network takes it, and its marks (MARKS, i, j, k) from 0 to 1, both varied."""
    hu = image.astype(np.float32) * ((HIGH_HU - LOW_HU) / 255.0) + LOW_HU
    shares = marks.astype(np.float32) / 255.0
    hu = hu * random.uniform(*GAIN) + random.uniform(-OFFSET_HU, OFFSET_HU)
    if random.random() < NOISE_SHARE:
        deviation = np.exp(random.uniform(*np.log(NOISE_HU)))
        hu += np.float32(deviation) * random.standard_normal(hu.shape, np.float32)
    if random.random() < END_SHARE:
        beyond = np.arange(hu.shape[2]) < random.integers(1, MOST_CUT)
        beyond = beyond if random.random() < 0.5 else beyond[::-1]
        hu[:, :, beyond] = AIR_HU
        shares[:-1, :, :, beyond], shares[-1, :, :, beyond] = 0.0, 1.0
    if random.random() < 0.5:
        hu, shares = hu[::-1], shares[:, ::-1]
    return normalise(np.ascontiguousarray(hu, np.float32)), np.ascontiguousarray(shares)
