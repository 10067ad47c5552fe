"""The paper's widths."""

from __future__ import annotations

from training.surrogates.paper.networks.profile import PROFILES


def test_paper_profile_is_the_papers():
    paper = PROFILES["paper"]
    assert (paper.shape_latent, paper.stress_latent) == (512, 512)
    assert paper.point_widths[-1] == 256
    assert (paper.internal_points, paper.shape_stride) == (23_528, 1)
