"""Our own outlines as training labels: what was looked at, and what becomes a label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvista as pv

from models.types import Bytes
from synthetic_ct.bone_labels import label_of
from training.segmentation.data.annotations import Annotation, read_annotations
from training.segmentation.data.own_outline_verdicts import read_verdicts
from training.segmentation.evaluation.own_labels import labelled_by_us
from training.segmentation.evaluation.own_outline_pictures import draw_outline
from training.segmentation.evaluation.own_outlines import OwnOutline, outline_ct, wanted_levels
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume, read_ct

CENTRES = {"T11": (0.0, 0.0, 30.0), "T12": (0.0, 0.0, 0.0), "L1": (0.0, 0.0, -30.0)}


def ellipsoid(centre: tuple[float, ...], half: tuple[float, float, float]) -> Surface:
    sphere = pv.Icosphere(radius=1.0, nsub=4)
    return Surface(np.asarray(sphere.points, float) * half + centre, sphere.faces.reshape(-1, 4)[:, 1:])


@pytest.fixture
def annotation() -> Annotation:
    bodies = [{"level": level, "centre_ras_mm": list(centre), "whole": True} for level, centre in CENTRES.items()]
    head = {"person": "somebody", "ct": "ct/somebody/ct.nii.gz", "sha256": "0" * 64, "known_by": "ribs", "note": ""}
    return Annotation.model_validate(head | {"bodies": bodies})


@pytest.fixture
def ct() -> Volume:
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = [-90.0, -100.0, -95.0]
    return Volume(np.zeros((90, 85, 65), np.int16), affine)


def outlines(*without: str) -> dict[str, OwnOutline]:
    surfaces = {level: ellipsoid(centre, (40.0, 20.0, 12.0)) for level, centre in CENTRES.items()}
    return {
        level: OwnOutline(level, None if level in without else surface, "", True) for level, surface in surfaces.items()
    }


def widths(bone: Bytes, level: str) -> int:
    return int((bone == label_of(level)).any(axis=(1, 2)).sum())


def test_labels_are_the_inside_of_the_outlines_and_ribs_are_cut_off(ct: Volume, annotation: Annotation) -> None:
    labelled = labelled_by_us(ct, annotation, outlines(), {"T12": 25.0})
    assert labelled.levels == ("T12",)
    volume = float((labelled.bone == label_of("T11")).sum()) * 1.5
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * 40.0 * 20.0 * 12.0, rel=0.03)
    assert widths(labelled.bone, "T11") == pytest.approx(80, abs=1)
    assert widths(labelled.bone, "T12") == pytest.approx(51, abs=1)
    np.testing.assert_allclose(labelled.centres, [CENTRES["T12"]], atol=1.5)
    np.testing.assert_allclose(labelled.up, [[0.0, 0.0, 1.0]])


def test_nothing_is_learned_beside_a_neighbour_without_an_outline(ct: Volume, annotation: Annotation) -> None:
    labelled = labelled_by_us(ct, annotation, outlines("L1"), dict.fromkeys(CENTRES))
    assert labelled.levels == ("T11",)


def test_a_ct_of_which_nothing_can_be_learned_is_drawn_all_the_same(ct: Volume, annotation: Annotation) -> None:
    labelled = labelled_by_us(ct, annotation, outlines("T12"), dict.fromkeys(CENTRES))
    assert labelled.levels == ()
    assert labelled.centres.shape == (0, 3)
    assert (labelled.bone == label_of("L1")).any()


def test_a_picture_shows_every_slice_that_is_looked_at(ct: Volume, annotation: Annotation) -> None:
    labelled = labelled_by_us(ct, annotation, outlines(), {"T12": None})
    picture = np.asarray(draw_outline(labelled, label_of("T12")))
    red, blue = ((picture == colour).all(axis=2) for colour in ((255, 70, 50), (80, 160, 255)))
    assert red.sum() > 2000
    assert blue.sum() > 200


def test_every_outline_that_is_wanted_was_looked_at() -> None:
    verdicts = read_verdicts()
    for annotation in read_annotations():
        if annotation.labels is None and wanted_levels(annotation):
            seen = verdicts[annotation.name].outlines
            assert tuple(verdict.level for verdict in seen) == wanted_levels(annotation)
            assert all(verdict.why and (verdict.kept or verdict.cut_mm is None) for verdict in seen)


def test_the_ribs_of_a_t12_are_no_part_of_it(data_dir: Path) -> None:
    """Nobody trained the segmenter with this CT. Before, it took 4 cm of a rib: 50 mm to the side, 54.7 cm³."""
    annotation = next(a for a in read_annotations() if a.name == "cptac_pda_68f")
    last = annotation.model_copy(update={"bodies": annotation.bodies[-2:]})
    surface = outline_ct(read_ct(data_dir / annotation.ct), last)["T12"].surface
    assert surface is not None
    body = annotation.body("T12")
    assert body is not None
    assert np.abs(surface.vertices[:, 0] - body.centre[0]).max() < 30.0
