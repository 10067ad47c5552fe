"""Surface stress autoencoder (paper section II.D.5, Fig. 9): dilated 1-D convolutions, SE, MLP decoder with sigmoid."""

from __future__ import annotations

import torch
from torch import nn

from training.surrogates.paper.networks.profile import Profile

DILATIONS = (1, 2, 4, 8)
"""Of the parallel convolutions (Fig. 9)."""
POOLED = 64
"""Length after adaptive average pooling."""
FIRST_SD = 0.02
"""Standard deviation of the decoder's last weights at the start: the first outputs lie near the mean stress."""
LOGIT_MARGIN = 1e-4
"""Keeps the logit of a mean stress of 0 or 1 finite."""


class SqueezeExcitation(nn.Module):
    """Channel attention (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018) of (b, c, n)."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.gate = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with its channels weighted."""
        return x * self.gate(x.mean(dim=2))[:, :, None]


class SurfaceStressEncoder(nn.Module):
    """(b, c, n) normalised stress sequences in node order -> (b, stress_latent).

    The first layer gets the deviation from the mean over its spread (c, 1): the stress differs little between shapes.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, profile: Profile, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        width = profile.channels
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.first = nn.Sequential(nn.Conv1d(len(mean), width, 7, stride=2, padding=3), nn.ReLU())
        self.scales = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in DILATIONS)
        self.fuse = nn.Sequential(nn.Conv1d(width * len(DILATIONS), width, 3, padding=1), nn.ReLU())
        self.attention = SqueezeExcitation(width)
        self.head = nn.Sequential(
            nn.Linear(width * POOLED, profile.stress_latent), nn.BatchNorm1d(profile.stress_latent)
        )

    def forward(self, stress: torch.Tensor) -> torch.Tensor:
        """Encode."""
        x = self.first((stress - self.mean) / self.spread)
        x = self.fuse(torch.relu(torch.cat([conv(x) for conv in self.scales], dim=1)))
        x = self.attention(nn.functional.adaptive_avg_pool1d(x, POOLED))
        latent: torch.Tensor = self.head(x.flatten(1))
        return latent


class SurfaceStressDecoder(nn.Module):
    """(b, stress_latent) -> (b, c, n) in [0, 1]: a two-layer MLP with ReLU and sigmoid."""

    def __init__(self, profile: Profile, mean: torch.Tensor) -> None:
        super().__init__()
        self.shape = tuple(mean.shape)
        self.layers = nn.Sequential(
            nn.Linear(profile.stress_latent, profile.decoder_hidden),
            nn.ReLU(),
            nn.Linear(profile.decoder_hidden, mean.numel()),
        )
        nn.init.normal_(self.layers[-1].weight, std=FIRST_SD)
        with torch.no_grad():
            self.layers[-1].bias.copy_(torch.logit(mean.clamp(LOGIT_MARGIN, 1.0 - LOGIT_MARGIN)).flatten())

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Decode."""
        return torch.sigmoid(self.layers(latent)).reshape(-1, *self.shape)


class SurfaceStressAutoencoder(nn.Module):
    """Encoder and decoder.

    Parameters
    ----------
    profile
        Widths.
    mean
        (c, n) mean normalised stress of the training set: where the decoder starts.
    spread
        (c, 1) standard deviation about it.
    """

    def __init__(self, profile: Profile, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.encoder = SurfaceStressEncoder(profile, mean, spread)
        self.decoder = SurfaceStressDecoder(profile, mean)

    def forward(self, stress: torch.Tensor) -> torch.Tensor:
        """Return the reconstruction of `stress` (b, c, n)."""
        out: torch.Tensor = self.decoder(self.encoder(stress))
        return out
