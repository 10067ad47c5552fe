"""The tangent surrogate's artifact, stored and read."""

from __future__ import annotations

import numpy as np

from models.tangent_model import TangentModel


def test_the_tangent_model_survives_storage(bundle, template):
    model = bundle.tangent
    again = TangentModel.from_arrays(model.to_arrays())
    np.testing.assert_array_equal(again.response, model.response)
    np.testing.assert_array_equal(again.coarse.host, model.coarse.host)
    assert model.tensor.shape == (len(template.nodes), 6)
    assert model.response.shape[:2] == (template.n_surface + len(model.coarse.nodes), 6)
    assert model.reduction.shape == (3 * bundle.shape_model.n_modes, model.response.shape[2])
