"""The loss of the segmenter: structures compete for every pixel, and their boundaries count more."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.segmentation.synthesis.anatomy_tensors import DISC, OTHER
from training.segmentation.synthesis.boundary_batches import Batch
from workers.imaging.network_input import STRUCTURES

ENTROPY_WEIGHT = 2.0
"""Weight of the cross-entropy against that of the overlap of the vertebra."""
BOUNDARY_WEIGHT = 4.0
"""A pixel near a structure weighs so much more than one without: four fifths of a slice show none."""
BOUNDARY_PIXELS, BOUNDARY_SHARE = 5, 0.05
"""A pixel is near a structure where one of the square around it, of this side, holds more than this share of it."""
MISSED = {"vertebra": 0.6, "above": 0.5, "below": 0.5, "sacrum": 0.5, "disc": 0.5}
"""Weight of a missed pixel of each structure, against 1 - MISSED of one too many: thin processes were missed."""
OVERLAP_WEIGHT = {"vertebra": 1.0, "above": 0.4, "below": 0.4, "sacrum": 0.2, "disc": 0.4}
"""Weight of each structure's overlap."""
SMOOTHING = 1.0
"""Pixels that smooth an overlap, so that an empty structure that is predicted empty costs nothing."""


def boundary_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Return the weighted cross-entropy plus one minus the Tversky index of each structure (Salehi et al., MLMI 2017).

    Parameters
    ----------
    logits
        (b, 6, h, w) of the network.
    batch
        Its targets. Where "other" is ambiguous, the probabilities of "other" and of a disc are added up.
    """
    logp = _merge_ambiguous(logits.float().log_softmax(dim=1), batch.ambiguous)
    targets = batch.targets
    present = functional.max_pool2d(targets[:, 1:].amax(dim=1, keepdim=True), BOUNDARY_PIXELS, 1, BOUNDARY_PIXELS // 2)
    weight = 1.0 + BOUNDARY_WEIGHT * (present[:, 0] > BOUNDARY_SHARE)
    entropy = ((-(targets * logp).sum(dim=1)) * weight).sum() / weight.sum()
    p = logp.exp()
    return ENTROPY_WEIGHT * entropy + sum(
        share * _overlap_loss(p, batch, STRUCTURES.index(name), MISSED[name]) for name, share in OVERLAP_WEIGHT.items()
    )


def _merge_ambiguous(logp: Tensor, ambiguous: Tensor) -> Tensor:
    """Return the logarithms (b, 6, h, w) with that of "other or disc" in place of "other" where that is ambiguous."""
    other = torch.where(ambiguous[:, None, None], torch.logaddexp(logp[:, OTHER], logp[:, DISC]), logp[:, OTHER])
    return torch.cat([other[:, None], logp[:, OTHER + 1 :]], dim=1)


def _overlap_loss(p: Tensor, batch: Batch, structure: int, missed: float) -> Tensor:
    """Return one minus the Tversky index of a structure over the batch; discs count where they are labelled."""
    p, t = p[:, structure], batch.targets[:, structure]
    if structure == DISC:
        known = (~batch.ambiguous)[:, None, None]
        p, t = p * known, t * known
    both, less, more = (p * t).sum(), ((1.0 - p) * t).sum(), (p * (1.0 - t)).sum()
    return 1.0 - (both + SMOOTHING) / (both + missed * less + (1.0 - missed) * more + SMOOTHING)
