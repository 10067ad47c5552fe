"""Name a row of vertebral bodies: a hidden Markov model whose states are the levels, from top to bottom.

Each body has an appearance, has ribs or not, and lies above, on or in the sacrum. Neighbours are consecutive levels,
about as far apart as these are in people. A body may be false: then the row skips it. A body may be missed: then the
row jumps over a level. The forward-backward algorithm (Rabiner, Proc IEEE 77(2), 1989) gives each body the probability
of each level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.types import Floats
from workers.locate.evidence import BodyEvidence
from workers.locate.landmark_network import SACRAL_POSITIONS
from workers.locate.levels import L1, L4, L5, LEVELS, PITCH_MM, S1, T1, T12

PITCH_SD = 0.2
"""Standard deviation of the logarithm of a pitch: people differ, spines are deformed, and centres are inexact."""
APPEARANCE_WEIGHT = 0.15
"""Errors of appearance are correlated along the row, so the appearance of the whole row weighs about as much as that of
one body."""
LEAST_APPEARANCE = 0.01
"""Added to every probability of appearance, so that one body cannot exclude a level."""
MISSED_ODDS = 0.03
"""How often a body between two found ones was missed."""
STEPS = (1, 2)
"""Levels from one body of the row to the next: the next level, or one further where a body was missed."""
MOST_SKIPPED = 5
"""False bodies that the row may skip at once."""
STRENGTH_RANGE = (0.05, 0.95)
"""No body is taken for certainly true or certainly false."""
RIB_ODDS = {T12: 0.92, L1: 0.03}
RIB_ABOVE, RIB_BELOW = 0.98, 0.01
"""How often the landmark network sees ribs at a level, where it is sure. Near the counts on synthetic CTs in
docs/evaluation, where twelfth ribs are short or missing in some people. Lumbar ribs are not drawn there."""
SACRAL_ODDS = {L4: (0.96, 0.035, 0.005), L5: (0.05, 0.92, 0.03), S1: (0.01, 0.05, 0.94)}
SACRAL_ELSEWHERE = (0.99, 0.005, 0.005)
"""How often a level seems to lie above the last one, on the sacrum, or in it, where the landmark network is sure. Less
sure than the counts in docs/evaluation: 4 to 30 % of people have lumbosacral transitional vertebrae (Konin and Walz,
AJNR 31(10), 2010), which are not drawn there."""


@dataclass(frozen=True)
class LevelPosterior:
    """What the bodies of a row are.

    Attributes
    ----------
    probability
        (n bodies, len(LEVELS)): rows sum to less than 1 where the body may be false.
    path
        (body, level) of the likeliest row, from top to bottom.
    """

    probability: Floats
    path: tuple[tuple[int, int], ...]


class _Chain(NamedTuple):
    """Log probabilities of the model.

    `emission` (n, m): evidence of a body, were it a level. `transition` (n, n, 2, m): a step from body i, of a level,
    down to body j. `before`, `after` (n,): every body above, or below, is false.
    """

    emission: Floats
    transition: Floats
    before: Floats
    after: Floats


def infer_levels(bodies: list[BodyEvidence]) -> LevelPosterior:
    """Return the posterior of bodies that are sorted from top to bottom; there must be one."""
    skip = np.log1p(-np.clip([body.strength for body in bodies], *STRENGTH_RANGE))
    skipped = np.concatenate([[0.0], np.cumsum(skip)])
    n = len(bodies)
    emission = np.array([_log_evidence(body) for body in bodies])
    chain = _Chain(emission, _log_steps(bodies), skipped[:n], skipped[n] - skipped[1:])
    forward, path = _forward(chain)
    backward = _backward(chain)
    total = np.logaddexp.reduce((forward + chain.after[:, None]).ravel())
    return LevelPosterior(np.exp(forward + backward - total), path)


def _forward(chain: _Chain) -> tuple[Floats, tuple[tuple[int, int], ...]]:
    """Return the forward log probabilities (n, m) and the likeliest path (Viterbi)."""
    emission = chain.emission
    n, m = emission.shape
    forward = emission + chain.before[:, None]
    best, from_body, from_step = forward.copy(), np.full((n, m), -1), np.zeros((n, m), int)
    for j in range(n):
        for i in range(max(0, j - 1 - MOST_SKIPPED), j):
            for s, step in enumerate(STEPS):
                reached = forward[i, :-step] + chain.transition[i, j, s, :-step] + emission[j, step:]
                forward[j, step:] = np.logaddexp(forward[j, step:], reached)
                likeliest = best[i, :-step] + chain.transition[i, j, s, :-step] + emission[j, step:]
                better = likeliest > best[j, step:]
                best[j, step:][better] = likeliest[better]
                from_body[j, step:][better], from_step[j, step:][better] = i, step
    body, level = np.unravel_index(int((best + chain.after[:, None]).argmax()), best.shape)
    path = [(int(body), int(level))]
    while from_body[path[-1]] >= 0:
        path.append((int(from_body[path[-1]]), path[-1][1] - int(from_step[path[-1]])))
    return forward, tuple(reversed(path))


def _backward(chain: _Chain) -> Floats:
    """Return the backward log probabilities (n, m)."""
    n, m = chain.emission.shape
    backward = np.repeat(chain.after[:, None], m, axis=1)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, min(n, i + 2 + MOST_SKIPPED)):
            for s, step in enumerate(STEPS):
                onward = chain.transition[i, j, s, :-step] + chain.emission[j, step:] + backward[j, step:]
                backward[i, :-step] = np.logaddexp(backward[i, :-step], onward)
    return backward


def _log_evidence(body: BodyEvidence) -> Floats:
    """Return (len(LEVELS),) log probability of a body's evidence, were it each level, and of the body itself."""
    levels = np.arange(len(LEVELS))
    rib = np.where((levels >= T1) & (levels < T12), RIB_ABOVE, RIB_BELOW)
    for level, odds in RIB_ODDS.items():
        rib[level] = odds
    total = APPEARANCE_WEIGHT * np.log(body.appearance + LEAST_APPEARANCE)
    if body.ribs is not None:
        total += np.log(rib if body.ribs else 1.0 - rib)
    if body.sacrum is not None:
        position = SACRAL_POSITIONS.index(body.sacrum)
        total += np.log([SACRAL_ODDS.get(level, SACRAL_ELSEWHERE)[position] for level in range(len(LEVELS))])
    return np.asarray(total + np.log(np.clip(body.strength, *STRENGTH_RANGE)))


def _log_steps(bodies: list[BodyEvidence]) -> Floats:
    """Return (n, n, 2, len(LEVELS)): log probability of a step from body i, of a level, one or two down to body j."""
    centres = np.array([body.centre for body in bodies])
    strength = np.clip([body.strength for body in bodies], *STRENGTH_RANGE)
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(distance, 1.0)
    pitch = np.stack([PITCH_MM, PITCH_MM + np.append(PITCH_MM[1:], PITCH_MM[-1])])
    off = np.log(np.maximum(distance, 1.0))[:, :, None, None] - np.log(pitch)
    out = -0.5 * np.square(off / PITCH_SD)
    out[:, :, 1] += np.log(MISSED_ODDS)
    skipped = np.concatenate([[0.0], np.cumsum(np.log1p(-strength))])
    between = skipped[None, : len(bodies)] - skipped[1:, None]  # of the bodies after i and before j
    return np.asarray(out + between[:, :, None, None])
