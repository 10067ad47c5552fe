"""Synthetic CTs of random field of view and protocol."""

from __future__ import annotations

import numpy as np

from synthetic_ct.person import Person
from synthetic_ct.scanner import Protocol
from synthetic_ct.spine import make_spine
from synthetic_ct.vertebra import Spine
from synthetic_ct.whole_ct import SyntheticCt, scan_person

TOPS = ("T4", "T8", "T10", "T11", "T12", "L1")
BOTTOMS = ("T12", "L1", "L2", "L4", "L5", "L5", "L5")
"""Highest and lowest level of a scan, each equally likely: three scans of seven end in the sacrum."""
ABOVE_MM, BELOW_MM = (25.0, 60.0), (25.0, 90.0)
"""How far a scan goes on above and below the body centres of these levels: half a vertebra to the whole sacrum."""
AROUND_TORSO_MM = 15.0
"""Air around the torso in a wide scan."""
NARROW_SHARE, NARROW_HALF_MM, NARROW_ERROR_MM = 0.5, 100.0, 8.0
"""How often a scan shows the spine alone, half its side, and the standard deviation of its middle about L2."""
DRAWN_MM = 1.25
"""Spacing that the person is drawn with: a compromise of memory and the finest pixels."""


def random_ct(random: np.random.Generator, spines: list[Spine]) -> SyntheticCt:
    """Return a CT of a random person made of `spines`, from a random level to another, narrow or wide."""
    person = Person.make(random, make_spine(random, spines))
    centres = {v.level: v.centre for v in person.spine.vertebrae}
    top, bottom = TOPS[random.integers(len(TOPS))], BOTTOMS[random.integers(len(BOTTOMS))]
    middle = np.append(person.torso.centre, 0.0)
    half = np.append(person.torso.half + AROUND_TORSO_MM, 0.0)
    if random.random() < NARROW_SHARE:
        middle = centres["L2"] + random.normal(0.0, NARROW_ERROR_MM, 3)
        half = np.array([NARROW_HALF_MM, NARROW_HALF_MM, 0.0])
    low, high = middle - half, middle + half
    ends = sorted((centres[top][2], centres[bottom][2]))
    low[2], high[2] = ends[0] - random.uniform(*BELOW_MM), ends[1] + random.uniform(*ABOVE_MM)
    return scan_person(random, person, low, high, protocol=Protocol.draw(random), spacing=DRAWN_MM)
