"""The whole of the paper's surrogate: it learns, and its exported graphs return what the torch networks return."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (make training)")
pytestmark = pytest.mark.filterwarnings("ignore")

from models.bundle import Bundle  # noqa: E402
from tests.training.surrogates.paper.shapes import N_SURFACE, TINY, make_sample, make_template  # noqa: E402
from training.surrogates.paper.dataset import SIZE_MM, build_dataset, stress_components  # noqa: E402
from training.surrogates.paper.fit_networks import fit_networks  # noqa: E402
from training.surrogates.paper.fit_surrogate import fit_surrogate  # noqa: E402
from training.surrogates.paper.latents import encode_samples  # noqa: E402
from workers.surrogate.paper import PaperSurrogate  # noqa: E402

PROFILE = replace(TINY, shape_epochs=60, epochs=60)


def test_the_surrogate_learns_and_its_export_says_the_same(data, tmp_path):
    """Trained on 60 shapes, exported, loaded by the worker's class: parity with torch, and far better than nothing."""
    fit_surrogate(data, PROFILE, tmp_path, trials=2)
    networks = fit_networks(data, PROFILE, tmp_path)  # from its checkpoint
    for net in (networks.shape, networks.surface, networks.internal):
        net.eval()
    worker = PaperSurrogate(Bundle(tmp_path / "bundle"), make_template())
    unseen = make_sample(1000, "q")
    latents = encode_samples(networks, build_dataset([unseen], make_template(), TINY.internal_points))
    np.testing.assert_allclose(worker.encode(unseen.points), latents.shape[0], atol=2e-3)
    surface, internal = latents.surface[0], latents.internal[0]
    ours = worker.decode(unseen.points, surface, internal, smoothed=False)
    low, size = networks.low, networks.high - networks.low
    with torch.no_grad():
        on_surface = networks.surface.decoder(torch.from_numpy(surface)[None])[0].T.numpy() * size + low
        inside = torch.from_numpy(unseen.points[None, N_SURFACE:] / np.float32(SIZE_MM))
        within = networks.internal.decode(inside, torch.from_numpy(internal)[None])[0].numpy() * size + low
    np.testing.assert_allclose(ours, np.concatenate([on_surface, within]), atol=3e-3)
    true = stress_components(unseen.tensor)[:, 3]
    error = np.abs(worker.components(unseen.points)[:, 3] - true).mean()
    assert error < 0.25 * true.mean()
