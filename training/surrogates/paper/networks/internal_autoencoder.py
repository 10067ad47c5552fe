"""Internal stress autoencoder (paper section II.D.5, Figs. 10 and 11): point transformer, conditioned MLP."""

from __future__ import annotations

import math

import torch
from torch import nn

from training.surrogates.paper.networks.profile import Profile

N_BLOCKS = 4
"""Point-transformer blocks, as many as the paper has."""


class PointTransformerBlock(nn.Module):
    """Multi-head self-attention, then cross-head fusion with a residual, then a feed-forward layer (Fig. 11)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.across = nn.Sequential(nn.Linear(heads, heads), nn.ReLU(), nn.Linear(heads, heads))
        self.out = nn.Linear(width, width)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (b, n, width) to the same."""
        b, n, width = x.shape
        q, k, v = self.project(self.before(x)).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)  # (b, heads, n, width / heads)
        mixed = attended.permute(0, 2, 3, 1)
        mixed = mixed + self.across(mixed)
        x = x + self.out(mixed.transpose(2, 3).reshape(b, n, width))
        return x + self.feed(self.between(x))


class InternalStressEncoder(nn.Module):
    """(b, n, 3) coordinates and (b, n, c) standardised stress -> (b, stress_latent)."""

    def __init__(self, profile: Profile, components: int) -> None:
        super().__init__()
        width = profile.attention_width
        self.first = nn.Sequential(nn.Linear(3 + components, width), nn.ReLU(), nn.Linear(width, width))
        self.blocks = nn.Sequential(*(PointTransformerBlock(width, profile.heads) for _ in range(N_BLOCKS)))
        self.head = nn.Sequential(nn.Linear(2 * width, profile.stress_latent), nn.BatchNorm1d(profile.stress_latent))

    def forward(self, points: torch.Tensor, stress: torch.Tensor) -> torch.Tensor:
        """Encode."""
        x = self.blocks(self.first(torch.cat([points, stress], dim=2)))
        latent: torch.Tensor = self.head(torch.cat([x.amax(dim=1), x.mean(dim=1)], dim=1))
        return latent


class InternalStressDecoder(nn.Module):
    """(b, n, 3) coordinates and (b, stress_latent) -> (b, n, c) standardised stress, point by point."""

    def __init__(self, profile: Profile, components: int) -> None:
        super().__init__()
        width = profile.internal_hidden
        self.of_latent = nn.Linear(profile.stress_latent, width)
        self.octaves = profile.octaves
        self.of_point = nn.Linear(3 + 6 * self.octaves, width)
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, components),
        )

    def forward(self, points: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Decode: the first layer of [x, z] is split in two, so that the latent's half is computed once a shape."""
        angles = [math.pi * 2.0**k * points for k in range(self.octaves)]
        features = torch.cat([points, *map(torch.sin, angles), *map(torch.cos, angles)], dim=2)
        out: torch.Tensor = self.layers(self.of_point(features) + self.of_latent(latent)[:, None])
        return out


class InternalStressAutoencoder(nn.Module):
    """Encoder and decoder of (b, n, c) normalised stress.

    Parameters
    ----------
    profile
        Widths.
    mean, spread
        (c,) mean and standard deviation of the normalised stress; both halves work with the standardised one.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, profile: Profile, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.encoder = InternalStressEncoder(profile, len(mean))
        self.decoder = InternalStressDecoder(profile, len(mean))

    def encode(self, points: torch.Tensor, stress: torch.Tensor) -> torch.Tensor:
        """Return the latent (b, stress_latent)."""
        latent: torch.Tensor = self.encoder(points, (stress - self.mean) / self.spread)
        return latent

    def decode(self, points: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
        """Return the stress (b, n, c)."""
        stress: torch.Tensor = self.mean + self.spread * self.decoder(points, latent)
        return stress

    def forward(self, points: torch.Tensor, stress: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction (b, n, c)."""
        return self.decode(points, self.encode(points, stress))
