"""The locator's loss: unlabelled bone does not count, and the truth has the least."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from synthetic_ct.bone_labels import UNKNOWN  # noqa: E402
from training.segmentation.data.trunk_batches import heat_map  # noqa: E402
from training.segmentation.fitting.fit_locator import locator_loss  # noqa: E402
from workers.locate.locator import CLASSES  # noqa: E402


def test_ignored_bone_teaches_no_class():
    torch.manual_seed(0)
    logits = torch.randn(1, len(CLASSES) + 1, 8, 8, 8, requires_grad=True)
    classes = torch.randint(0, len(CLASSES), (1, 8, 8, 8))
    classes[:, :4] = UNKNOWN
    locator_loss(logits, classes, torch.zeros(1, 8, 8, 8)).backward()
    grad = logits.grad[0]
    assert float(grad[:-1, :4].abs().max()) == 0.0
    assert float(grad[:-1, 4:].abs().amax(dim=0).min()) > 0.0
    assert float(grad[-1, :4].abs().max()) == 0.0
    assert float(grad[-1, 4:].abs().min()) > 0.0


def test_the_loss_is_least_for_the_truth():
    torch.manual_seed(0)
    classes = torch.randint(0, len(CLASSES), (1, 8, 8, 8))
    heat = torch.from_numpy(heat_map(np.array([[4.0, 4.0, 4.0]]), (8, 8, 8)))[None]
    right = 20.0 * torch.nn.functional.one_hot(classes, len(CLASSES)).movedim(-1, 1).float()
    marks = torch.logit(heat.clamp(1e-4, 1.0 - 1e-4))[:, None]
    best = float(locator_loss(torch.cat([right, marks], dim=1), classes, heat))
    assert best < float(locator_loss(torch.cat([right, -marks], dim=1), classes, heat)) - 1.0
    assert best < float(locator_loss(torch.cat([right.roll(1, dims=1), marks], dim=1), classes, heat)) - 1.0
