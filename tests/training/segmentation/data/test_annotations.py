"""Marks of the real CTs: the file is well formed, true to the CTs, and mistakes are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from training.segmentation.data.annotate import annotate_label_maps
from training.segmentation.data.annotation_checks import check_annotation, check_centres
from training.segmentation.data.annotation_pictures import draw_axial, draw_spine
from training.segmentation.data.annotations import ANNOTATIONS, Annotation, read_annotations, write_annotations
from training.segmentation.data.spine_planes import SpineCurve, cut_coronal, cut_sagittal
from workers.imaging.volume import Volume


@pytest.fixture(scope="module")
def annotations() -> dict[str, Annotation]:
    return {annotation.name: annotation for annotation in read_annotations()}


def test_every_ct_of_the_data_folder_is_annotated(annotations, data_dir):
    files = {path.relative_to(data_dir).as_posix() for path in data_dir.glob("ct*/*/ct.nii.gz")}
    assert {annotation.ct for annotation in annotations.values()} == files


def test_levels_and_people(annotations):
    assert annotations["acrin_petct_49f"].levels == ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
    assert {n for n, a in annotations.items() if a.body("L1") is None} == {
        "acrin_petct_42f",
        "cmb_crc_chest",
        "lidc_chest",
        "totalsegmentator_aorta",
        "totalsegmentator_heart",
        "tptbox_L3",
    }
    assert annotations["totalsegmentator_aorta"].person == annotations["totalsegmentator_heart"].person
    assert {n for n, a in annotations.items() if a.known_by == "uncertain"} == {"acrin_petct_42f"}
    for annotation in annotations.values():
        for body in annotation.bodies:
            assert body.sacrum == {"L5": "on", "S1": "of"}.get(body.level, "above")
            expected = body.level[0] == "T" if body.level != "C7" else False
            assert body.rib_right in (expected, None)
            assert body.rib_left in (expected, None)


def test_writing_what_was_read_changes_nothing(annotations, tmp_path):
    write_annotations(tuple(annotations.values()), tmp_path / "copy.json")
    assert (tmp_path / "copy.json").read_text() == ANNOTATIONS.read_text()


def test_label_maps_give_the_same_marks_again(tmp_path, data_dir):
    copy = tmp_path / "annotations.json"
    copy.write_text(ANNOTATIONS.read_text())
    annotate_label_maps(data_dir, copy)
    assert copy.read_text() == ANNOTATIONS.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["bodies"].pop(1), "consecutive levels"),
        (lambda e: e["bodies"][0].update(level="L9"), "levels of C3 to S1"),
        (lambda e: e["bodies"][1].update(centre_ras_mm=e["bodies"][0]["centre_ras_mm"]), "got 0 mm"),
        (lambda e: e["bodies"].reverse(), "consecutive levels"),
        (lambda e: e["bodies"][0].update(ribs=True), "Extra inputs"),
        (lambda e: e.update(sha256="0"), "String should match"),
    ],
)
def test_rows_that_cannot_be_are_refused(change, message):
    entry = json.loads(ANNOTATIONS.read_text())[0]
    change(entry)
    with pytest.raises(ValidationError, match=message):
        Annotation.model_validate(entry)


def test_centres_must_lie_in_the_bone_of_the_file_that_was_marked(annotations, data_dir):
    annotation = annotations["tptbox_L3"]
    ct = check_annotation(data_dir, annotation)
    (body,) = annotation.bodies
    np.testing.assert_allclose(body.centre, [-27, -161, -65], atol=1.0)
    for away, message in (((0.0, 90.0, 0.0), "in the scan"), ((55.0, -30.0, 0.0), "in bone")):
        moved = body.model_copy(update={"centre_ras_mm": tuple(body.centre + away)})
        with pytest.raises(ValueError, match=message):
            check_centres(ct, annotation.model_copy(update={"bodies": (moved,)}))
    with pytest.raises(ValueError, match="SHA-256"):
        check_annotation(data_dir, annotation.model_copy(update={"sha256": "0" * 64}))


def test_planes_follow_the_spine():
    """A rod that leans to the side and forward becomes a straight column in the middle of both planes."""
    voxels = np.zeros((60, 60, 40), np.int16)
    heights = np.arange(40)
    voxels[10 + heights, 20 + heights // 2, heights] = 1000
    ct = Volume(voxels, np.diag([1.0, 1.0, 1.0, 1.0]))
    curve = SpineCurve(np.array([[10.0, 20.0, 0.0], [49.0, 39.5, 39.0]]))
    for cut, axis in ((cut_sagittal, 1), (cut_coronal, 0)):
        plane = cut(ct, curve, 5.0, 35.0)
        brightest = plane.columns[plane.hu.argmax(axis=1)]
        assert np.abs(brightest - curve.at(plane.heights)[:, axis]).max() < 1.5


def test_pictures_are_drawn_part_by_part(annotations, data_dir, tmp_path):
    annotation = annotations["tptbox_L3"]
    ct = check_annotation(data_dir, annotation)
    (spine,) = draw_spine(tmp_path, "somebody", ct, SpineCurve(annotation.centres), annotation)
    draw_axial(tmp_path / "axial.png", ct, annotation.centres, list(annotation.levels))
    assert spine == tmp_path / "somebody_spine0.png"
    assert min(path.stat().st_size for path in tmp_path.glob("*.png")) > 10_000
