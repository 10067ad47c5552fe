"""PointNet shape autoencoder (paper section II.D.3, Fig. 7, eq. 1)."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from training.surrogates.paper.networks.profile import Profile

FIRST_SD = 1e-3
"""Standard deviation of the decoder's last weights at the start: the first reconstructions lie near the mean shape."""


class ShapeEncoder(nn.Module):
    """Point-wise 1-D convolutions, global max pooling, MLP: (b, n, 3) -> (b, shape_latent); any n, any order."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        widths = (3, *profile.point_widths)
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv1d(a, b, 1), nn.ReLU()]
        self.points = nn.Sequential(*layers)
        self.standardise = nn.BatchNorm1d(widths[-1])  # without it the error is twice as large: shapes differ little
        self.head = nn.Sequential(
            nn.Linear(widths[-1], profile.shape_latent),
            nn.ReLU(),
            nn.Linear(profile.shape_latent, profile.shape_latent),
        )

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Encode `points` (b, n, 3), coordinates over the template's size."""
        latent: torch.Tensor = self.head(self.standardise(self.points(points.transpose(1, 2)).amax(dim=2)))
        return latent


class ShapeAutoencoder(nn.Module):
    """Encoder, and an MLP decoder that gives all nodes in order.

    Parameters
    ----------
    profile
        Widths.
    mean
        (n, 3) the mean shape; the decoder adds to it.
    """

    mean: torch.Tensor

    def __init__(self, profile: Profile, mean: torch.Tensor) -> None:
        super().__init__()
        self.encoder = ShapeEncoder(profile)
        self.decoder = nn.Sequential(
            nn.Linear(profile.shape_latent, profile.decoder_hidden),
            nn.ReLU(),
            nn.Linear(profile.decoder_hidden, mean.numel()),
        )
        nn.init.normal_(self.decoder[-1].weight, std=FIRST_SD)
        nn.init.zeros_(self.decoder[-1].bias)
        self.register_buffer("mean", mean)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction (b, n, 3) of shapes from any of their points (b, k, 3)."""
        return self.mean + self.decoder(self.encoder(points)).reshape(-1, *self.mean.shape)
