"""Number a row of vertebral bodies: a hidden Markov model whose states are the levels, from top to bottom.

Every body looks more or less like each level, has ribs or not, and lies above, on or in the sacrum; neighbours are
consecutive levels about as far apart as these are in people. A mark may be false (it is skipped), a body unmarked (a
level is jumped over). The forward-backward algorithm (Rabiner, Proc IEEE 77(2), 1989) gives each body the probability
of each level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats
from workers.locate.landmark_network import SACRAL, Sacral

LEVELS = (
    tuple(f"C{i}" for i in range(3, 8))
    + tuple(f"T{i}" for i in range(1, 13))
    + tuple(f"L{i}" for i in range(1, 6))
    + ("S1",)
)
T1, T11, T12, L1, L4, L5, S1 = (LEVELS.index(name) for name in ("T1", "T11", "T12", "L1", "L4", "L5", "S1"))
PITCH_MM = np.array(
    [16, 16, 16, 17, 17, 18, 18, 19, 19, 20, 21, 22, 23, 24, 26, 28, 30, 33, 35, 36, 36, 34, 34], np.float64
)
"""From the centre of each level's body to the next one's in adults (Busscher et al., Eur Spine J 19(7), 2010)."""
PITCH_SD = 0.2
"""Of its logarithm: people, deformities, and how exactly a centre is marked."""
TEMPER = 0.15
"""Neighbours err together, by one level when they do: what all of a row look like counts about as much as one body."""
JUMP = 0.03
"""How often a body between two marked ones is not marked."""
MOST_SKIPPED = 5
RIB_ODDS = {T12: 0.92, L1: 0.03}
RIB_ABOVE, RIB_BELOW = 0.98, 0.01
"""How often ribs are seen at a level, where that can be told: near what docs/evaluation counts on synthetic CTs, where
twelfth ribs are short or missing in some people; lumbar ribs are not drawn there."""
SACRAL_ODDS = {L4: (0.96, 0.035, 0.005), L5: (0.05, 0.92, 0.03), S1: (0.01, 0.05, 0.94)}
SACRAL_ELSEWHERE = (0.99, 0.005, 0.005)
"""How often a level seems to lie above the last one, on the sacrum, or to be of it, where that can be told: less sure
than docs/evaluation counts, for lumbosacral transitional vertebrae are found in 4 to 30 % (Konin and Walz, AJNR 31(10),
2010) and are not drawn there."""


@dataclass(frozen=True)
class Body:
    """A marked vertebral body.

    Attributes
    ----------
    centre
        (3,) mm RAS.
    strength
        How sure the mark is, 0 to 1.
    looks
        (len(LEVELS),) probability of each level by what it looks like.
    ribs
        Whether a rib starts at it; None where it cannot be told.
    sacrum
        Whether it lies above the last vertebra, on the sacrum, or is of it; None where it cannot be told.
    """

    centre: Floats
    strength: float
    looks: Floats
    ribs: bool | None
    sacrum: Sacral | None


@dataclass(frozen=True)
class LevelPosterior:
    """What the bodies are.

    Attributes
    ----------
    probability
        (n bodies, len(LEVELS)): rows sum to less than 1 where the mark may be false.
    path
        (body, level) of the likeliest row, from top to bottom.
    """

    probability: Floats
    path: tuple[tuple[int, int], ...]


def number(bodies: list[Body]) -> LevelPosterior:
    """Number bodies that are sorted from top to bottom; there must be one."""
    looks = np.array([_likelihood(body) for body in bodies])
    steps = _steps(bodies)
    skip = np.log1p(-np.clip([body.strength for body in bodies], 0.05, 0.95))
    before = np.concatenate([[0.0], np.cumsum(skip)])
    n, m = looks.shape
    forward = looks + before[:n, None]
    backward = np.repeat((before[n] - before[1:])[:, None], m, axis=1)
    best, came = forward.copy(), np.full((n, m), -1)
    for j in range(n):
        for i in range(max(0, j - 1 - MOST_SKIPPED), j):
            for k in (1, 2):
                reached = forward[i, :-k] + steps[i, j, k - 1, :-k] + looks[j, k:]
                forward[j, k:] = np.logaddexp(forward[j, k:], reached)
                walked = best[i, :-k] + steps[i, j, k - 1, :-k] + looks[j, k:]
                better = walked > best[j, k:]
                best[j, k:][better] = walked[better]
                came[j, k:][better] = i * 4 + k
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, min(n, i + 2 + MOST_SKIPPED)):
            for k in (1, 2):
                onward = steps[i, j, k - 1, :-k] + looks[j, k:] + backward[j, k:]
                backward[i, :-k] = np.logaddexp(backward[i, :-k], onward)
    total = np.logaddexp.reduce((forward + (before[n] - before[1:])[:, None]).ravel())
    at = np.unravel_index(int((best + (before[n] - before[1:])[:, None]).argmax()), best.shape)
    path = [(int(at[0]), int(at[1]))]
    while (step := int(came[path[-1]])) >= 0:
        path.append((step // 4, path[-1][1] - step % 4))
    return LevelPosterior(np.exp(forward + backward - total), tuple(reversed(path)))


def _likelihood(body: Body) -> Floats:
    """Return (len(LEVELS),) log probability of what is seen of a body, were it each level, and of its mark."""
    levels = np.arange(len(LEVELS))
    rib = np.where((levels >= T1) & (levels < T12), RIB_ABOVE, RIB_BELOW)
    for level, odds in RIB_ODDS.items():
        rib[level] = odds
    found = TEMPER * np.log(body.looks + 0.01)
    if body.ribs is not None:
        found += np.log(rib if body.ribs else 1.0 - rib)
    if body.sacrum is not None:
        told = SACRAL.index(body.sacrum)
        found += np.log([SACRAL_ODDS.get(level, SACRAL_ELSEWHERE)[told] for level in range(len(LEVELS))])
    return np.asarray(found + np.log(np.clip(body.strength, 0.05, 0.95)))


def _steps(bodies: list[Body]) -> Floats:
    """Return (n, n, 2, len(LEVELS)): log probability of a step from body i, of a level, one or two down to j."""
    centres = np.array([body.centre for body in bodies])
    strength = np.clip([body.strength for body in bodies], 0.05, 0.95)
    distance = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    np.fill_diagonal(distance, 1.0)
    pitch = np.stack([PITCH_MM, PITCH_MM + np.append(PITCH_MM[1:], PITCH_MM[-1])])
    off = np.log(np.maximum(distance, 1.0))[:, :, None, None] - np.log(pitch)
    out = -0.5 * np.square(off / PITCH_SD)
    out[:, :, 1] += np.log(JUMP)
    skipped = np.concatenate([[0.0], np.cumsum(np.log1p(-strength))])
    between = skipped[None, : len(bodies)] - skipped[1:, None]  # of the marks after i and before j
    return np.asarray(out + between[:, :, None, None])
