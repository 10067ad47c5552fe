"""What the segmenter is trained on: files of anatomy crops and labelled CTs, and the same on a device."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from training.segmentation.data.anatomy_crops import AnatomyCrop, read_anatomy_crop
from training.segmentation.data.labelled_cts import read_labelled_ct
from training.segmentation.synthesis.anatomy_tensors import AnatomyTensors
from training.segmentation.synthesis.labelled_tensors import LabelledTensors

FEW_FILES = 8
"""Up to so many crops are read without further processes, which take a second to start."""
CHUNK = 4
THORACIC_TIMES = 2
"""A crop about a thoracic vertebra is taken so often as two others: they are a fifth, and ribs make them harder."""


@dataclass(frozen=True)
class SegmenterData:
    """Crops and CTs, which are read when they are first needed.

    Attributes
    ----------
    crop_files, ct_files
        Files of `AnatomyCrop` and of `LabelledCt`.
    device
        Where the tensors lie.
    """

    crop_files: list[Path]
    ct_files: list[Path]
    device: str

    @cached_property
    def crops(self) -> list[AnatomyTensors]:
        """All anatomy crops."""
        return [AnatomyTensors.of(crop, torch.device(self.device)) for crop in _read_crops(self.crop_files)]

    @cached_property
    def cts(self) -> list[LabelledTensors]:
        """All labelled CTs."""
        return [LabelledTensors.of(read_labelled_ct(path), torch.device(self.device)) for path in self.ct_files]

    def crops_without(self, people: tuple[str, ...]) -> list[AnatomyTensors]:
        """Return the crops that show none of these people, thoracic ones `THORACIC_TIMES`."""
        return [
            crop
            for crop in self.crops
            if not set(crop.people) & set(people)
            for _ in range(THORACIC_TIMES if crop.level.startswith("T") else 1)
        ]

    def crops_with(self, people: tuple[str, ...]) -> list[AnatomyTensors]:
        """Return the crops that show one of these people."""
        return [crop for crop in self.crops if set(crop.people) & set(people)]

    def cts_without(self, people: tuple[str, ...]) -> list[LabelledTensors]:
        """Return the CTs of everybody else."""
        return [ct for ct in self.cts if ct.source.person not in people]

    def cts_of(self, people: tuple[str, ...]) -> list[LabelledTensors]:
        """Return the CTs of these people."""
        return [ct for ct in self.cts if ct.source.person in people]


def _read_crops(paths: list[Path]) -> list[AnatomyCrop]:
    """Read crops with their depth and discs, in parallel where they are many: each takes a second."""
    if len(paths) <= FEW_FILES:
        return [_read_prepared(path) for path in paths]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("forkserver")) as pool:
        return list(pool.map(_read_prepared, paths, chunksize=CHUNK))


def _read_prepared(path: Path) -> AnatomyCrop:
    crop = read_anatomy_crop(path)
    _ = crop.depth, crop.discs
    return crop
