"""Draw the real CTs for marking, and check the marks (``python -m training annotate``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.types import Floats
from training.segmentation.data.annotation_checks import check_annotation
from training.segmentation.data.annotation_pictures import draw_axial, draw_spine
from training.segmentation.data.annotations import ANNOTATIONS, Annotation, read_annotations, write_annotations
from training.segmentation.data.label_map_annotations import annotate_labels
from training.segmentation.data.real_cts import data_folder_cts
from training.segmentation.data.spine_planes import SpineCurve, scan_heights
from workers.imaging.volume import Volume, read_ct
from workers.locate.locator import Locator
from workers.locate.spine_axis import trace_spine_axes

CANDIDATE_MM = 12.0
"""Distance of the axial slices of a CT without marks: one at least shows the pedicles of each vertebra."""
UNMARKED = "ct_unlabelled/*/ct.nii.gz"
"""CTs of the data folder that are marked by looking."""


def draw_for_marking(data: Path, folder: Path, locator: Locator, names: list[str] | None = None) -> list[Path]:
    """Draw every unlabelled CT without its marks, along its spine.

    Parameters
    ----------
    data, folder
        The data folder, and where the PNG files go.
    locator
        Finds the spine of a CT that has no marks yet. Where it finds none the planes are straight, through the
        middle of the CT: look for the spine there, mark one body, and draw again.
    names
        Folders of the CTs that are wanted; None for all.
    """
    known = {annotation.ct: annotation.centres for annotation in read_annotations()}
    paths: list[Path] = []
    for path in sorted(data.glob(UNMARKED)):
        name = path.parent.name
        if names and name not in names:
            continue
        ct = read_ct(path)
        centres = known.get(path.relative_to(data).as_posix())
        points = _find_spine(ct, locator) if centres is None else centres
        curve = SpineCurve(points)
        low, high = scan_heights(ct)
        slices = curve.at(np.arange(high - 1.0, low, -CANDIDATE_MM))
        paths += draw_spine(folder, name, ct, curve)
        draw_axial(folder / f"{name}_axial.png", ct, slices, ["axial"] * len(slices))
    return paths


def _find_spine(ct: Volume, locator: Locator) -> Floats:
    """Return points (n, 3) mm along the spine; the middle of the CT where the locator finds none."""
    maps = locator.maps(ct)
    axes = trace_spine_axes(maps.mark, maps.affine)
    if axes:
        return axes[0].points
    middle = ct.affine @ np.append((np.array(ct.voxels.shape) - 1) / 2.0, 1.0)
    return np.asarray(middle[None, :3])


def check_marks(data: Path, folder: Path, names: list[str] | None = None) -> tuple[Annotation, ...]:
    """Check every annotation against its CT and draw its marks, with the level beside each body.

    Raises
    ------
    ValueError
        Marks cannot be right (`annotations.read_annotations`, `annotation_checks.check_annotation`).
    """
    annotations = tuple(a for a in read_annotations() if not names or a.name in names)
    for annotation in annotations:
        ct = check_annotation(data, annotation)
        draw_spine(folder, f"{annotation.name}_marked", ct, SpineCurve(annotation.centres), annotation)
        draw_axial(folder / f"{annotation.name}_marked_axial.png", ct, annotation.centres, list(annotation.levels))
    return annotations


def annotate_label_maps(data: Path, path: Path = ANNOTATIONS) -> None:
    """Compute the annotations of the CTs in HU with label maps anew; what was marked by looking stays."""
    known = read_annotations(path)
    computed = []
    for source in data_folder_cts(data):
        if not source.calibrated:
            marked = next((a.bodies for a in known if a.ct == source.ct.relative_to(data).as_posix()), ())
            computed.append(annotate_labels(data, source, marked))
    write_annotations((*(a for a in known if a.labels is None), *computed), path)
