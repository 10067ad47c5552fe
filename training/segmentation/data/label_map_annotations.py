"""Annotations of CTs that have a label map: computed, not marked."""

from __future__ import annotations

from pathlib import Path

from training.segmentation.data.annotations import Annotation, Body, hash_file
from training.segmentation.data.real_cts import RealCt, body_centres
from workers.locate.levels import L5, LEVELS, S1, T12

COMPLETE = ("S1",)
"""A part of the sacrum, so not among the whole vertebrae; the label maps show all of its body."""


def annotate_labels(data: Path, source: RealCt, marked: tuple[Body, ...] = ()) -> Annotation:
    """Return the bodies that a label map shows. What has a name has a rib or not, and a place over the sacrum.

    Parameters
    ----------
    data
        The data folder.
    source
        A CT in HU with its label map.
    marked
        What was marked in it by looking. Bodies that the scan cuts come from there: the middle of what is left of them
        is not their centre. So do the remarks.
    """
    _, labels = source.read()
    centres = body_centres(
        labels, {level: source.labels[level] for level in (*source.whole, *COMPLETE) if level in source.labels}
    )
    by_looking = {body.level: body for body in marked}
    bodies = {body.level: body for body in marked if not body.whole}
    for level, centre in centres.items():
        x, y, z = (float(round(v)) for v in centre)
        rank = LEVELS.index(level)
        bodies[level] = Body(
            level=level,
            centre_ras_mm=(x, y, z),
            whole=level in source.whole,
            rib_right=rank <= T12,
            rib_left=rank <= T12,
            sacrum="above" if rank < L5 else "on" if rank < S1 else "of",
            remark=by_looking[level].remark if level in by_looking else "",
        )
    return Annotation(
        person=source.person,
        ct=source.ct.relative_to(data).as_posix(),
        sha256=hash_file(source.ct),
        known_by="label map",
        note="Whole bodies are computed: the middle of the thick part of each label. Cut ones were marked by looking.",
        labels=source.mask.relative_to(data).as_posix(),
        bodies=tuple(bodies[level] for level in sorted(bodies, key=LEVELS.index)),
    )
