"""A small 3-D network that tells a rib from a transverse process, and the last lumbar vertebra from the sacrum."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from workers.locate.landmark_network import LOGITS, SIDE_SHAPE

WIDTHS = {"paper": 16, "shipped": 16, "tiny": 2}
LEVELS = 4


class LandmarkNet(nn.Module):
    """From one side of a body (b, 1, *SIDE_SHAPE), normalised HU, to logits (b, LOGITS): a rib, then each of `SACRAL`.

    Convolutions on 2 x 2 x 1.5 mm, halved `LEVELS` - 1 times; what is left is weighed place by place, for a rib is told
    by where it starts.
    """

    def __init__(self, width: int = WIDTHS["shipped"]) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        inputs = 1
        for level in range(LEVELS):
            outputs = width * min(2**level, 4)
            self.steps.append(
                nn.Sequential(nn.Conv3d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU())
            )
            inputs = outputs
        places = (SIDE_SHAPE[0] // 2**LEVELS) * (SIDE_SHAPE[1] // 2**LEVELS) * (SIDE_SHAPE[2] // 2 ** (LEVELS - 1))
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(inputs * places, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, LOGITS),
        )

    def forward(self, sides: Tensor) -> Tensor:
        """Return the logits."""
        x = functional.avg_pool3d(sides, (2, 2, 1))
        for level, step in enumerate(self.steps):
            x = step(x if level == 0 else functional.max_pool3d(x, 2))
        return self.head(x)
