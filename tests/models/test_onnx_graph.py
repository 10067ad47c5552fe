"""A graph that is cut when it is loaded gives what the whole one goes on from."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle import LANDMARKS, LOCATOR, Bundle
from models.onnx_graph import until_last
from workers.imaging.linear_samples import interpolate
from workers.locate.locator import BLOCK, CLASSES


def test_the_locators_head_is_what_its_probabilities_are_made_of():
    shape = (32, 16, 48)
    volume = np.random.default_rng(0).standard_normal((1, 1, *shape)).astype(np.float32)
    (head,) = Bundle().session(LOCATOR, until_last="Resize").run(["head"], {"volume": volume})
    assert head.shape == (1, len(CLASSES) + 1, *(n // BLOCK for n in shape))
    logits = np.stack([interpolate(part, np.eye(3) / 2.0, np.full(3, -0.25), shape, None) for part in head[0]])
    classes, mark = Bundle().session(LOCATOR).run(["classes", "mark"], {"volume": volume})
    odds = np.exp(logits[:-1])
    np.testing.assert_allclose(odds / odds.sum(axis=0), classes[0], atol=2e-6)
    np.testing.assert_allclose(1.0 / (1.0 + np.exp(-logits[-1])), mark[0, 0], atol=2e-6)


def test_what_cannot_be_cut_is_told():
    model = Bundle().read(LANDMARKS)
    with pytest.raises(ValueError, match="no node Resize"):
        until_last(model, "Resize")
    for damaged in (model[: len(model) // 2], b"\x0f\xff", b"\x80"):
        with pytest.raises(ValueError, match="no "):
            until_last(damaged, "Gemm")
