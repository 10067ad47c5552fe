"""The paper's networks: shapes, what they must be blind to, that they learn, and parity of the exported graphs."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytest.importorskip("onnxscript", reason="onnxscript is not installed (make training)")
pytestmark = pytest.mark.filterwarnings("ignore")

from models.bundle import Bundle  # noqa: E402
from models.template import Template  # noqa: E402
from training.surrogates.paper.dataset import SIZE_MM, build_dataset, components, farthest_point_samples  # noqa: E402
from training.surrogates.paper.fit_networks import fit_networks  # noqa: E402
from training.surrogates.paper.fit_surrogate import encode, fit_chain, folds  # noqa: E402
from training.surrogates.paper.networks.internal_autoencoder import InternalStressAutoencoder  # noqa: E402
from training.surrogates.paper.networks.profile import PROFILES  # noqa: E402
from training.surrogates.paper.networks.shape_autoencoder import ShapeAutoencoder  # noqa: E402
from training.surrogates.paper.networks.surface_autoencoder import DILATIONS, SurfaceStressAutoencoder  # noqa: E402
from training.surrogates.simulation import Sample  # noqa: E402
from workers.surrogate.paper import PaperSurrogate  # noqa: E402

TINY = PROFILES["tiny"]
N_SURFACE, N = 120, 300


def template() -> Template:
    random = np.random.default_rng(0)
    nodes = random.uniform(-30, 30, (N, 3))
    none = np.zeros((0, 3), np.int32)
    return Template(nodes, np.zeros((0, 4), np.int32), none, N_SURFACE, np.zeros(N, np.uint8), none, none)


def sample(seed: int, person: str) -> Sample:
    """A shape with one degree of freedom, and a stress that follows it."""
    size = np.random.default_rng(seed).uniform(0.8, 1.2)
    points = (template().nodes * [size, 1.0, 1.0]).astype(np.float32)
    tensor = np.zeros((N, 6), np.float32)
    tensor[:, 2] = -(1.0 + points[:, 0] / 60.0) * size
    return Sample(points, tensor, person, "variant", f"{seed:05d}")


@pytest.fixture(scope="module")
def data():
    return build_dataset((sample(i, f"p{i % 5}") for i in range(60)), template(), TINY.internal_points)


def test_paper_profile_is_the_papers():
    paper = PROFILES["paper"]
    assert (paper.shape_latent, paper.stress_latent) == (512, 512)
    assert paper.point_widths[-1] == 256
    assert (paper.internal_points, paper.shape_stride) == (23_528, 1)
    assert DILATIONS == (1, 2, 4, 8)


def test_the_shape_latent_does_not_know_the_order():
    net = ShapeAutoencoder(TINY, torch.zeros(50, 3)).eval()
    points = torch.randn(2, 50, 3)
    order = torch.randperm(50)
    with torch.no_grad():
        torch.testing.assert_close(net.encoder(points), net.encoder(points[:, order]))
        assert net(points[:, :20]).shape == (2, 50, 3)


def test_the_surface_decoder_starts_at_the_mean():
    mean = torch.rand(4, 90)
    net = SurfaceStressAutoencoder(TINY, mean, torch.ones(4, 1)).eval()
    with torch.no_grad():
        torch.testing.assert_close(net(torch.rand(3, 4, 90)), mean.expand(3, -1, -1), atol=0.1, rtol=0.0)


def test_the_internal_decoder_is_point_by_point():
    net = InternalStressAutoencoder(TINY, torch.zeros(4), torch.ones(4)).eval()
    points, stress = torch.randn(1, 64, 3), torch.rand(1, 64, 4)
    order = torch.randperm(64)
    with torch.no_grad():
        latent = net.encode(points, stress)
        torch.testing.assert_close(net.encode(points[:, order], stress[:, order]), latent)
        torch.testing.assert_close(net.decode(points[:, order], latent), net.decode(points, latent)[:, order])


def test_farthest_points_spread_and_differ_by_seed():
    points = np.random.default_rng(0).uniform(0, 1, (2000, 3)).astype(np.float32)
    chosen = farthest_point_samples(points, 50)
    assert chosen.shape == (5, 50)
    assert all(len(np.unique(c)) == 50 for c in chosen)
    assert len({tuple(sorted(c)) for c in chosen}) == 5

    def gap(ids):
        d = np.linalg.norm(points[ids][:, None] - points[ids][None], axis=2)
        return np.median((d + 9.0 * np.eye(len(ids))).min(axis=1))

    assert min(gap(c) for c in chosen) > 1.3 * gap(np.arange(50))


def test_data_set(data):
    assert data.surface.shape == (60, N_SURFACE, 3)
    assert data.surface_stress.shape == (60, 4, N_SURFACE)
    assert data.internal.shape == (60, 5, 64, 3)
    first = sample(0, "p0")
    np.testing.assert_allclose(data.surface[0] * SIZE_MM, first.points[:N_SURFACE], rtol=1e-6)
    stress = components(first.tensor)
    np.testing.assert_allclose(stress[:, 2], first.tensor[:, 2], rtol=1e-5)
    np.testing.assert_allclose(stress[:, 3], -first.tensor[:, 2], rtol=1e-5)
    np.testing.assert_allclose(data.extremes[0, 2], [stress[:, 2].min(), stress[:, 2].max()])


def test_folds_keep_people_whole():
    people = np.array(["a"] * 10 + ["b"] * 6 + ["c"] * 5 + ["d"])
    groups = folds(people, 2)
    assert sorted(p for g in groups for p in g) == ["a", "b", "c", "d"]
    assert groups == [("a", "d"), ("b", "c")]
    assert folds(people, 9) == [("a",), ("b",), ("c",), ("d",)]


def test_training_goes_on_where_it_was_killed(data, tmp_path, monkeypatch):
    """Killed in its third epoch of four, a run goes on with the third; no epoch is done twice."""
    from training.surrogates.paper import fit_networks as module

    profile, real, calls = replace(TINY, shape_epochs=4, epochs=1), torch.save, []

    def kill(state, path):
        calls.append(len(state["curve"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(state, path)

    monkeypatch.setattr(module.torch, "save", kill)
    with pytest.raises(KeyboardInterrupt):
        fit_networks(data, profile, tmp_path)
    assert calls == [1, 2, 3]
    networks = fit_networks(data, profile, tmp_path)
    assert calls == [1, 2, 3, 3, 4, 1, 1]  # shape epochs 3 and 4, then the two stress networks
    assert {name: len(curve) for name, curve in networks.curves.items()} == {"shape": 4, "surface": 1, "internal": 1}


def test_the_chain_learns_and_its_export_says_the_same(data, tmp_path):
    """Trained on 60 shapes, exported, loaded by the worker's class: parity with torch, and far better than nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit_chain(data, replace(TINY, shape_epochs=60, epochs=60), tmp_path, trials=2)
    networks = fit_networks(data, replace(TINY, shape_epochs=60, epochs=60), tmp_path)  # from its checkpoint
    for net in (networks.shape, networks.surface, networks.internal):
        net.eval()
    worker = PaperSurrogate(Bundle(tmp_path / "bundle"), template())
    unseen = sample(1000, "q")
    latents = encode(networks, build_dataset([unseen], template(), TINY.internal_points))
    np.testing.assert_allclose(worker.encode(unseen.points), latents.shape[0], atol=2e-3)
    surface, internal = latents.surface[0], latents.internal[0]
    ours = worker.decode(unseen.points, surface, internal, smoothed=False)
    low, size = networks.low, networks.high - networks.low
    with torch.no_grad():
        on_surface = networks.surface.decoder(torch.from_numpy(surface)[None])[0].T.numpy() * size + low
        inside = torch.from_numpy(unseen.points[None, N_SURFACE:] / np.float32(SIZE_MM))
        within = networks.internal.decode(inside, torch.from_numpy(internal)[None])[0].numpy() * size + low
    np.testing.assert_allclose(ours, np.concatenate([on_surface, within]), atol=3e-3)
    true = components(unseen.tensor)[:, 3]
    error = np.abs(worker.components(unseen.points)[:, 3] - true).mean()
    assert error < 0.25 * true.mean()
