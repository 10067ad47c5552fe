from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import pyvista as pv
from PIL import Image

from app.contract.params import JobParams
from app.contract.report import Inputs, Report
from workers.imaging.grid import Grid
from workers.mask.cleaning import CleanMask
from workers.mask.ct_grid import PlacedMask
from workers.results import publish as publish_module
from workers.results.build_report import ReportSections, build_report
from workers.results.mask_file import write_mask
from workers.results.notice_band import LINE_HEIGHT, PADDING
from workers.results.panels import PANEL_TOP
from workers.results.provenance import describe_software
from workers.results.publish import Contents, ResultFile, publish

MASK = np.zeros((20, 24, 16), np.int16)
MASK[5:15, 4:20, 3:12] = 1
PLACED = PlacedMask(np.ones((10, 16, 9), np.uint8), (5, 4, 3), (20, 24, 16))
LEFT_HANDED = np.array([[-0.7, 0.0, 0.0, 90.0], [0.0, 0.6, -0.8, -40.0], [0.0, 0.8, 0.6, 600.0], [0, 0, 0, 1.0]])
SHEARED = np.array([[1.0, 0.3, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [0, 0, 0, 1.0]])


@pytest.fixture
def contents(box) -> Contents:
    inputs = Inputs(ct_sha256="0" * 64, mask_sha256=None)
    sections = ReportSections(JobParams(), "L1", inputs, describe_software("l1-1"), "fe", timings_s={"read": 1.0})
    vertebra = CleanMask(MASK != 0, LEFT_HANDED, 1, 0, 0, 0.0)
    return Contents(box, build_report(box, sections), vertebra, Grid(MASK.shape, LEFT_HANDED))


def published(out: Path, contents: Contents, params: JobParams) -> list[ResultFile]:
    """Publish as the pipeline does, with the pictures that the files show; return the files."""
    with publish_module.drawing(contents.mesh, contents.report.bone, params.wants) as views:
        return publish(out, replace(contents, views=views), params.wants)[1]


def test_all_seven_files_open(box, contents, tmp_path):
    files = published(tmp_path / "out", contents, JobParams())
    by_name = {file.name: file for file in files}
    assert list(by_name) == [
        "stress.vtu", "surface.vtp", "mask.nii.gz", "report.json", "preview.png", "report.pdf", "viewer.html",
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(by_name)
    assert all(file.path.stat().st_size > 0 for file in files)
    assert pv.read(by_name["stress.vtu"].path).n_cells == len(box.template.tets)
    assert pv.read(by_name["surface.vtp"].path).n_cells == len(box.template.triangles)
    np.testing.assert_array_equal(np.asarray(nib.load(by_name["mask.nii.gz"].path).dataobj), MASK != 0)
    with Image.open(by_name["preview.png"].path) as image:
        image.verify()
    written = json.loads(by_name["report.json"].path.read_text())
    assert Report.model_validate(written).timings_s.keys() == {"read", "write"}
    assert by_name["preview.png"].media_type == "image/png"
    assert by_name["report.json"].media_type == "application/json"


def test_the_pictures_are_drawn_once_and_only_where_a_file_shows_them(contents, tmp_path, monkeypatch):
    drawn = []
    draw = publish_module.draw_views
    monkeypatch.setattr(publish_module, "draw_views", lambda *args: drawn.append(args) or draw(*args))
    with publish_module.drawing(contents.mesh, None, JobParams(results=["stress.vtu"]).wants) as views:
        assert views is None
    files = published(tmp_path / "out", contents, JobParams(results=["preview.png", "report.pdf"]))
    assert {file.name for file in files} == {"preview.png", "report.pdf", "report.json"}
    assert len(drawn) == 1


def test_only_what_is_asked_for_is_made_and_the_report(contents, tmp_path):
    others = ["surface.stl", "surface.ply", "surface.glb"]
    for wanted in (
        [],
        ["mask.nii.gz"],
        ["report.json", "surface.vtp", "viewer.html", "spine.png"],
        ["stress.vtu", *others],
    ):
        out = tmp_path / "-".join(wanted)
        files = published(out, contents, JobParams(results=wanted))
        expected = {*wanted, "report.json"} - {"spine.png"}  # drawn where the vertebra is located
        assert {file.name for file in files} == {path.name for path in out.iterdir()} == expected


def test_the_warnings_reach_picture_and_page(contents, tmp_path):
    warning = "Label 30 is L2 in the TotalSegmentator convention, but the job says L1: check the level."
    for name, warnings in {"quiet": [], "loud": [warning]}.items():
        report = contents.report.model_copy(update={"warnings": warnings})
        params = JobParams(results=["preview.png", "viewer.html"])
        published(tmp_path / name, replace(contents, report=report), params)
    page = (tmp_path / "loud" / "viewer.html").read_text()
    sure = "<dt>Level</dt><dd>as the client says that sent the mask</dd>"
    assert page.index(f"<li>{warning}</li>") < page.index(sure)
    assert "<ul><li>" not in (tmp_path / "quiet" / "viewer.html").read_text()
    quiet, loud = (np.asarray(Image.open(tmp_path / name / "preview.png")) for name in ("quiet", "loud"))
    line = loud.shape[0] - quiet.shape[0]
    assert line == LINE_HEIGHT
    below = PANEL_TOP + PADDING  # the warning stands between headline and views, and pushes the rest down
    np.testing.assert_array_equal(loud[:below], quiet[:below])
    np.testing.assert_array_equal(loud[below + line + 1 :], quiet[below + 1 :])  # the bar ends in the row between
    band = loud[below : below + line].astype(int)
    assert (band[..., 0] - band[..., 1] > 100).sum() > 100  # the red bar and the word


@pytest.mark.parametrize("affine", [LEFT_HANDED, np.diag([1.0, 1.0, 3.0, 1.0])])
def test_mask_lies_on_the_grid_of_the_ct(tmp_path, affine):
    write_mask(tmp_path / "mask.nii.gz", PLACED, affine)
    image = nib.load(tmp_path / "mask.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), MASK != 0)
    np.testing.assert_allclose(image.affine, affine, atol=1e-5)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-4)
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1
    assert image.header.get_xyzt_units()[0] == "mm"


def test_sheared_affine_keeps_only_the_sform(tmp_path):
    write_mask(tmp_path / "mask.nii.gz", PLACED, SHEARED)
    image = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_allclose(image.affine, SHEARED, atol=1e-6)
    assert int(image.header["qform_code"]) == 0
    assert int(image.header["sform_code"]) == 1


def test_mask_bytes_are_repeatable(tmp_path):
    for name in ("a", "b"):
        write_mask(tmp_path / f"{name}.nii.gz", PLACED, SHEARED)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
