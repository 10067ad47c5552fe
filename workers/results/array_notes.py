"""What each nodal array of ``stress.vtu`` and ``surface.vtp`` means. An array that is not here is not written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ALWAYS = "always"
SOLVED = "with `refined` or `fe`"
BOTH = "with `both`"
DENSITY = "with `material` `density`"


@dataclass(frozen=True)
class ArrayNote:
    """One nodal array.

    Attributes
    ----------
    unit
        As the field data names it.
    present
        Which jobs have it.
    meaning
        A sentence for a reader; Markdown.
    components
        1, or 3 for a vector.
    """

    unit: str
    present: str
    meaning: str
    components: int = 1


ARRAY_NOTES: Mapping[str, ArrayNote] = {
    "von_mises": ArrayNote("MPa", ALWAYS, "Von Mises stress: what the job answers, predicted or solved."),
    "s1": ArrayNote("MPa", ALWAYS, "Largest principal stress; tension is positive."),
    "s2": ArrayNote("MPa", ALWAYS, "Middle principal stress."),
    "s3": ArrayNote("MPa", ALWAYS, "Smallest principal stress; compression is negative."),
    "displacement": ArrayNote("mm", SOLVED, "Displacement along x, y and z of the world.", 3),
    "region": ArrayNote("index into region_names", ALWAYS, "Anatomical region; the field data has the names."),
    "is_surface": ArrayNote("0 or 1", ALWAYS, "Whether the node lies on the outer surface."),
    "is_fixed": ArrayNote("0 or 1", ALWAYS, "Whether the node is clamped: it lies on the inferior endplate."),
    "is_loaded": ArrayNote("0 or 1", ALWAYS, "Whether the node is loaded: it lies on the superior endplate."),
    "von_mises_fe": ArrayNote("MPa", BOTH, "Von Mises stress of the finite-element solution."),
    "von_mises_error": ArrayNote("MPa", BOTH, "Predicted minus solved von Mises stress."),
    "s1_fe": ArrayNote("MPa", BOTH, "Largest principal stress of the solution."),
    "s2_fe": ArrayNote("MPa", BOTH, "Middle principal stress of the solution."),
    "s3_fe": ArrayNote("MPa", BOTH, "Smallest principal stress of the solution."),
    "displacement_fe": ArrayNote("mm", BOTH, "Displacement of the solution.", 3),
    "density": ArrayNote("mg/cm3 of K2HPO4", DENSITY, "Bone density; `about_json_utf8` says whether it is calibrated."),
    "young_modulus": ArrayNote("MPa", DENSITY, "Young's modulus."),
    "yield_ratio": ArrayNote("1", DENSITY, "Von Mises stress over the yield stress of bone of this density."),
}
"""By name, in the order in which a file has them."""
BONE = tuple(name for name, note in ARRAY_NOTES.items() if note.present == DENSITY)
"""The arrays of bone with its own density."""
