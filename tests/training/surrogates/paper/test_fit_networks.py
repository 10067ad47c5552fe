"""The training of the three autoencoders may be killed at any point."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")
pytestmark = pytest.mark.filterwarnings("ignore")

from tests.training.surrogates.paper.shapes import TINY  # noqa: E402
from training.surrogates.paper import autoencoder_training  # noqa: E402
from training.surrogates.paper.fit_networks import fit_networks  # noqa: E402


def test_training_goes_on_where_it_was_killed(data, tmp_path, monkeypatch):
    """Killed in its third epoch of four, a run goes on with the third; no epoch is done twice."""
    profile, real, calls = replace(TINY, shape_epochs=4, epochs=1), torch.save, []

    def kill(state, path):
        calls.append(len(state["curve"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(state, path)

    monkeypatch.setattr(autoencoder_training.torch, "save", kill)
    with pytest.raises(KeyboardInterrupt):
        fit_networks(data, profile, tmp_path)
    assert calls == [1, 2, 3]
    networks = fit_networks(data, profile, tmp_path)
    assert calls == [1, 2, 3, 3, 4, 1, 1]  # shape epochs 3 and 4, then the two stress networks
    assert {name: len(curve) for name, curve in networks.curves.items()} == {"shape": 4, "surface": 1, "internal": 1}
