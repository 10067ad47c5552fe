"""What networks are tested on, and running a torch network as the workers run its ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from models.types import Floats, Singles
from synthetic_ct.vertebra import LEVELS
from training.segmentation.data.scans import CropScan
from workers.imaging.resampling import CROP_STEP_MM
from workers.imaging.volume import Volume


class TorchSession:
    """Runs a torch network where the workers would run its ONNX graph."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Singles]:
        """Return what the exported graph would: probabilities."""
        (value,) = inputs.values()
        with torch.no_grad():
            logits = self.network(torch.from_numpy(value)).float()
        if names == ["probability"]:
            return [torch.sigmoid(logits).numpy()]
        if names == ["logits"]:
            return [logits.numpy()]
        return [logits[:, :-1].softmax(dim=1).numpy(), torch.sigmoid(logits[:, -1:]).numpy()]


@dataclass(frozen=True)
class Case:
    """A vertebra to segment: the CT, the reference mask (0 or 1), centres of the body and of its neighbours, mm RAS."""

    name: str
    ct: Volume
    truth: Volume
    centre: Floats
    neighbours: tuple[Floats, ...] = ()


def neighbours_of(level: str, centres: Mapping[str, Floats]) -> tuple[Floats, ...]:
    """Return the centres of the vertebrae above and below a level, those that are there."""
    rank = LEVELS.index(level)
    return tuple(centres[name] for name in LEVELS[max(rank - 1, 0) : rank + 2] if name != level and name in centres)


def case_of(crop: CropScan, name: str) -> Case:
    """Return a crop on the segmenter's grid as a case."""
    affine = np.diag([*CROP_STEP_MM, 1.0])
    truth = (crop.inside > 127).astype(np.uint8)
    centres = dict(zip(crop.levels, crop.centres * CROP_STEP_MM, strict=True))
    neighbours = neighbours_of(crop.level, centres)
    return Case(name, Volume(crop.image, affine), Volume(truth, affine), crop.centre * CROP_STEP_MM, neighbours)
