"""What a bone density counts, and how one measure follows from another. Every density is in g/cm^3.

``k2hpo4`` and ``hydroxyapatite``
    Density of the salt, in water, that attenuates X-rays as the bone does: what a phantom of it calibrates. The two
    salts attenuate differently, so their numbers must not be mixed.
``ash``
    Mass of the mineral that is left after burning, over the volume of the bone.
``apparent``
    Wet mass without marrow, over the volume of the bone.
"""

from __future__ import annotations

from typing import Literal

from models.types import Reals

Measure = Literal["k2hpo4", "hydroxyapatite", "ash", "apparent"]

K2HPO4_OF_HYDROXYAPATITE = 0.84
"""Between 0.86 at 80 kVp and 0.81 at 140 kVp, without an intercept: Goodsitt, Bone Miner 19(2), 1992. By way of the ash
density it would be 0.827, but with an intercept of 38 mg/cm^3 that stands for nothing: two studies, two phantoms."""
ASH_OF_K2HPO4 = (1.06, 0.0389)
"""Slope and intercept, g/cm^3: Les, Keyak, Stover, Taylor & Kaneps, J Orthop Res 12(6), 1994, on equine metacarpi."""
ASH_OF_HYDROXYAPATITE = (0.877, 0.0789)
"""Slope and intercept, g/cm^3: Schileo, Dall'Ara, Taddei et al., J Biomech 41(11), 2008."""
ASH_OVER_APPARENT = 0.598
"""Ash over apparent density, no unit, the same in trabecular and cortical bone: Schileo et al. 2008."""


def to_ash(density: Reals, measure: Measure) -> Reals:
    """Return the ash density, g/cm^3, of densities in another measure."""
    if measure == "ash":
        return density
    if measure == "apparent":
        return density * ASH_OVER_APPARENT
    slope, intercept = ASH_OF_K2HPO4 if measure == "k2hpo4" else ASH_OF_HYDROXYAPATITE
    return slope * density + intercept


def convert(density: Reals, measure: Measure, wanted: Measure) -> Reals:
    """Return densities in another measure, g/cm^3: of the salts directly, of the others by way of the ash density."""
    if measure == wanted:
        return density
    if (measure, wanted) == ("hydroxyapatite", "k2hpo4"):
        return density * K2HPO4_OF_HYDROXYAPATITE
    if (measure, wanted) == ("k2hpo4", "hydroxyapatite"):
        return density / K2HPO4_OF_HYDROXYAPATITE
    ash = to_ash(density, measure)
    if wanted == "ash":
        return ash
    if wanted == "apparent":
        return ash / ASH_OVER_APPARENT
    slope, intercept = ASH_OF_K2HPO4 if wanted == "k2hpo4" else ASH_OF_HYDROXYAPATITE
    return (ash - intercept) / slope
