"""The report's section and warnings on the size of the vertebra, beside the sizes of adults."""

from __future__ import annotations

from collections.abc import Sequence

from app.contract.params import ReportedLevel
from app.contract.size import Size
from workers.outline.edge_offset import is_off_the_edge

ADULTS: dict[str, tuple[float, float]] = {
    "T11": (44.0, 0.918),
    "T12": (49.3, 0.951),
    "L1": (53.7, 0.993),
    "L2": (60.6, 1.010),
    "L3": (65.7, 1.038),
    "L4": (68.0, 1.037),
    "L5": (68.0, 1.002),
}
"""Volume, cm³, and scale of the template's pose: geometric means of the 47 whole vertebrae of 8 people and of one mean
of 87 (`training.shapes.sources`)."""
SCALE_RANGE = (0.84, 1.18)
"""Of adults over the mean. The 47 vertebrae: 0.93 to 1.08. Vertebrae of women are about a tenth smaller than those of
men: the superior endplate of L5 is 33.3 ± 2.6 against 37.1 ± 3.2 mm deep (CT study of Māori and European adults, Int J
Spine Surg, Table 6), so that nearly all adults lie within."""
VOLUME_RANGE = (0.58, 1.62)
"""About the cubes of that. The 47 vertebrae: 0.71 (a compressed one) to 1.28."""


def size_section(level: ReportedLevel, volume_cm3: float, scale: float, edge: tuple[float, float] | None) -> Size:
    """Judge the size of a vertebra.

    Parameters
    ----------
    level
        Of the vertebra.
    volume_cm3, scale
        Of the outline, cm³, and of the template's pose.
    edge
        Of a mask that was sent: its offset from the edge of the bone, and the longest side of the CT's voxels, mm.
    """
    adults = [ADULTS[level]] if level in ADULTS else list(ADULTS.values())
    volumes, scales = zip(*adults, strict=True)
    usual_cm3 = (VOLUME_RANGE[0] * min(volumes), VOLUME_RANGE[1] * max(volumes))
    usual_scale = (SCALE_RANGE[0] * min(scales), SCALE_RANGE[1] * max(scales))
    return Size(
        volume_cm3=volume_cm3,
        usual_volume_cm3=usual_cm3,
        scale=scale,
        usual_scale=usual_scale,
        stress_factor=(sum(scales) / len(scales) / scale) ** 2,
        edge_offset_mm=edge[0] if edge else None,
        unusual=not (_within(volume_cm3, usual_cm3) and _within(scale, usual_scale)),
        off_edge=edge is not None and is_off_the_edge(*edge),
    )


def size_warnings(size: Size, level: ReportedLevel) -> list[str]:
    """Return what a reader should know about the size before the numbers."""
    return [warning for warning in (warn_of_size(size, level), warn_of_edge(size)) if warning]


def warn_of_size(size: Size, level: ReportedLevel) -> str | None:
    """Warn where no adult has a vertebra of this size at this level."""
    if not size.unusual:
        return None
    low, high = size.usual_volume_cm3
    where = "a vertebra from T11 to L5" if level == "unknown" else level
    return (
        f"The vertebra is {'smaller' if size.stress_factor > 1.0 else 'larger'} than those of adults: "
        f"{size.volume_cm3:.0f} cm³, and in adults {where} has {low:.0f} to {high:.0f} cm³. Check voxel size and "
        f"outline: for the size alone the stress is {size.stress_factor:.2g} times that of an adult of mean size."
    )


def warn_of_edge(size: Size) -> str | None:
    """Warn where a mask ends inside or outside the bone."""
    if not size.off_edge or size.edge_offset_mm is None:
        return None
    larger = size.edge_offset_mm < 0.0
    return (
        f"The mask ends {abs(size.edge_offset_mm):.1f} mm {'outside' if larger else 'inside'} the edge of the bone in "
        f"the CT (median), so the stress is too {'low' if larger else 'high'}. Send the mask as it was drawn, neither "
        "dilated nor eroded."
    )


def _within(value: float, limits: Sequence[float]) -> bool:
    return limits[0] <= value <= limits[1]
