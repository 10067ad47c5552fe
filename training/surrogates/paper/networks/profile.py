"""Widths of the networks: the paper's, and the smaller ones that are shipped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """Widths and training effort.

    Attributes
    ----------
    shape_latent, stress_latent
        Sizes of the latent vectors z (Fig. 7) and z_surf, z_internal (Figs. 9, 10).
    point_widths
        Output widths of PointNet's point-wise layers.
    decoder_hidden
        Hidden width of the MLP decoders of the shape and the surface stress.
    channels
        Channels of the surface encoder's convolutions.
    attention_width, heads
        Of the point-transformer blocks.
    internal_hidden
        Hidden width of the coordinate-conditioned decoder.
    octaves
        Sine and cosine features of the coordinates that the decoder gets beside them (none in the paper; three take a
        fifth off its error).
    internal_points
        Internal nodes taken by farthest-point sampling (23,528 in the paper).
    shape_stride
        Every how many-th surface node enters PointNet; the nodes lie along a space-filling curve, so they are spread.
    shape_epochs, epochs
        Passes over the training set, for the shape and for the two stress autoencoders.
    """

    shape_latent: int = 512
    stress_latent: int = 512
    point_widths: tuple[int, ...] = (64, 128, 256)
    decoder_hidden: int = 512
    channels: int = 64
    attention_width: int = 256
    heads: int = 8
    internal_hidden: int = 512
    octaves: int = 0
    internal_points: int = 23_528
    shape_stride: int = 1
    shape_epochs: int = 150
    epochs: int = 150


PROFILES = {
    "paper": Profile(),
    "shipped": Profile(
        shape_latent=128,
        stress_latent=64,
        point_widths=(64, 128, 256),
        decoder_hidden=64,
        channels=8,
        attention_width=32,
        heads=4,
        internal_hidden=128,
        octaves=3,
        internal_points=384,
        shape_stride=23,
        shape_epochs=40,
        epochs=15,
    ),
    "tiny": Profile(
        shape_latent=16,
        stress_latent=8,
        point_widths=(8, 16),
        decoder_hidden=8,
        channels=4,
        attention_width=8,
        heads=2,
        internal_hidden=16,
        internal_points=64,
        shape_stride=2,
        shape_epochs=2,
        epochs=2,
    ),
}
"""``paper`` follows the paper; ``shipped`` is what two cores train and the bundle holds; ``tiny`` is for tests."""
