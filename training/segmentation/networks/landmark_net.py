"""The landmark network: tells ribs from transverse processes, and the last lumbar vertebra from the sacrum."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from workers.locate.landmark_network import LOGITS, SIDE_SHAPE

LANDMARK_WIDTHS = {"paper": 16, "shipped": 16, "tiny": 2}
"""Channels of the first resolution of a profile. The paper has no such network."""
LANDMARK_DEPTH = 4
"""Resolutions: voxels of 2 x 2 x 1.5 mm, then halved three times."""
FIRST_POOL = (2, 2, 1)
"""Voxels of `CROP_STEP_MM` (1 x 1 x 1.5 mm) averaged into one of the first resolution."""
MOST_WIDENING = 4
"""The channels double from one resolution to the next, up to so many times the first's."""
DROPOUT = 0.3
"""Share of the features set to zero in training: the head has most of the weights, and real CTs are few."""


class LandmarkNet(nn.Module):
    """Three-dimensional convolutions at `LANDMARK_DEPTH` resolutions, then two fully connected layers.

    The fully connected layers keep the position of each feature. Where a structure starts, at the body or at the
    process, is what separates a rib from a transverse process.
    """

    def __init__(self, width: int = LANDMARK_WIDTHS["shipped"]) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        inputs = 1
        for depth in range(LANDMARK_DEPTH):
            outputs = width * min(2**depth, MOST_WIDENING)
            self.steps.append(
                nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU())
            )
            inputs = outputs
        halvings = LANDMARK_DEPTH - 1
        positions = 1
        for side, pool in zip(SIDE_SHAPE, FIRST_POOL, strict=True):
            positions *= side // (pool * 2**halvings)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.Linear(inputs * positions, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, LOGITS),
        )

    def forward(self, sides: Tensor) -> Tensor:
        """Return logits (b, LOGITS), of a rib, then of each of `SACRAL_POSITIONS`.

        Parameters
        ----------
        sides
            (b, 1, *SIDE_SHAPE) normalised HU.
        """
        x = functional.avg_pool3d(sides, FIRST_POOL)
        for depth, step in enumerate(self.steps):
            x = step(x if depth == 0 else functional.max_pool3d(x, 2))
        return self.head(x)
