"""Draw our own outlines of the CTs that nobody labelled to be looked at, and write those that were kept."""

from __future__ import annotations

from pathlib import Path

from synthetic_ct.bone_labels import label_of
from training.segmentation.data.annotation_checks import check_annotation
from training.segmentation.data.annotations import read_annotations
from training.segmentation.data.own_outline_verdicts import read_verdicts
from training.segmentation.evaluation.own_labels import labelled_by_us
from training.segmentation.evaluation.own_outline_pictures import draw_outline
from training.segmentation.evaluation.own_outlines import outline_ct, wanted_levels

PREFIX = "own_"
"""How the files of CTs with our own outlines begin, beside those with label maps."""


def write_own_outlines(data: Path, folder: Path, pictures: Path) -> list[Path]:
    """Write the kept outlines of each marked CT without a label map as a `LabelledCt`; draw all of its outlines.

    Parameters
    ----------
    data
        The data folder.
    folder
        Of labelled CTs. A CT of which no outline was kept gets no file.
    pictures
        Where the pictures go, one for each vertebra.

    Returns
    -------
    The files. What a job would say of each outline is printed.
    """
    verdicts, paths = read_verdicts(), []
    for folder_made in (folder, pictures):
        folder_made.mkdir(parents=True, exist_ok=True)
    for annotation in read_annotations():
        if annotation.labels or not wanted_levels(annotation):
            continue
        ct = check_annotation(data, annotation)
        outlines = outline_ct(ct, annotation)
        shown = labelled_by_us(ct, annotation, outlines, dict.fromkeys(wanted_levels(annotation)))
        for level, outline in outlines.items():
            print(f"{annotation.name} {level}: {outline.told}", flush=True)
            if (shown.bone == label_of(level)).any():
                draw_outline(shown, label_of(level)).save(pictures / f"{annotation.name}_{level}.png")
        cuts = verdicts[annotation.name].cuts if annotation.name in verdicts else {}
        if cuts:
            paths.append(folder / f"{PREFIX}{annotation.name}.npz")
            labelled_by_us(ct, annotation, outlines, cuts).save(paths[-1])
    return paths
