from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from app.commands.report_text import summary
from app.contract.params import JobParams
from app.contract.report import Inputs, Report, SurfaceFit
from models.template import REGIONS
from workers.geometry.tetrahedra import min_dihedral_degrees
from workers.geometry.weighted_statistics import weighted_percentiles
from workers.results.build_report import ReportSections, build_report
from workers.results.force_balance import force_balance
from workers.results.mesh_summary import summarise_fit, summarise_quality
from workers.results.provenance import describe_inputs, describe_software
from workers.results.stressed_mesh import StressedMesh

VOLUME = 24 * 18 * 12
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float64)


INPUTS = Inputs(ct_sha256="0" * 64, mask_sha256="f" * 64)


@pytest.fixture
def report(box) -> Report:
    sections = ReportSections(
        JobParams(load_newton=432.0),
        "L1",
        INPUTS,
        describe_software("l1-1"),
        fidelity="fe",
        fit=SurfaceFit(mean_mm=0.1, p95_mm=0.3, max_mm=1.5),
        equilibrium=force_balance(np.array([0.0, 0.0, 432.0]), np.array([0.0, 0.0, -432.0])),
        timings_s={"read": 0.25, "solve": 4.0},
        warnings=["Level not checked."],
    )
    return build_report(box, sections)


def test_peak_has_value_place_and_region(box, report):
    peak = report.stress.peak_von_mises
    assert peak.value_mpa == pytest.approx(1 + 1.2 + 0.24 + 0.018)
    assert peak.position_ras_mm == pytest.approx((-110 + 24, 35 + 18, 640 + 12))
    assert peak.region == "superior_endplate"
    np.testing.assert_allclose(box.points[peak.node_id], peak.position_ras_mm)
    assert report.stress.smallest_principal.value_mpa == pytest.approx(-peak.value_mpa)
    assert report.stress.smallest_principal.node_id == peak.node_id
    assert report.stress.largest_principal.value_mpa == 0


def test_peak_away_from_endplates_is_3_mm_from_both(box, report):
    peak = report.stress.peak_away_from_endplates
    assert peak is not None
    assert peak.region in ("body", "posterior_elements")
    assert peak.value_mpa < report.stress.peak_von_mises.value_mpa
    height = box.points[:, 2] - box.points[:, 2].min()  # the endplates are the planes at 0 and 12 mm
    away = (height > 3.0) & (height < 9.0)
    assert away[peak.node_id]
    assert peak.value_mpa == box.field.von_mises[away].max()


def test_means_and_volume_are_exact_for_a_linear_field(report):
    overall = report.stress.overall
    assert overall.mean_mpa == pytest.approx(1 + 0.1 * 6 + 0.01 * 12 + 0.001 * 9, rel=1e-12)
    assert overall.volume_mm3 == pytest.approx(VOLUME, rel=1e-12)
    assert report.geometry.volume_mm3 == pytest.approx(VOLUME, rel=1e-12)
    assert report.geometry.load_axis_ras == pytest.approx((0.0, 0.0, 1.0), abs=1e-12)
    assert report.geometry.surface_area_mm2 == pytest.approx(2 * (24 * 18 + 18 * 12 + 24 * 12), rel=1e-12)
    assert set(report.stress.regions) == {REGIONS[k] for k in (0, 1, 2, 5)}
    assert sum(row.volume_mm3 for row in report.stress.regions.values()) == pytest.approx(VOLUME)


def test_percentiles_do_not_follow_mesh_density(box):
    z = box.template.nodes[:, 2]
    got = weighted_percentiles(z, box.volumes, (25, 50, 75))
    thickest = np.diff(np.unique(z)).max()  # the box is uniform, so z is uniform on 0..12
    np.testing.assert_allclose(got, (3, 6, 9), atol=thickest / 2)
    assert np.median(z) > 8.9


def test_mesh_quality_of_a_regular_and_an_inverted_tet(box):
    tets = np.array([[0, 1, 2, 3]], np.int32)
    assert min_dihedral_degrees(REGULAR, tets) == pytest.approx(np.degrees(np.arccos(1 / 3)))
    good = summarise_quality(box)
    assert good.non_positive_tets == 0
    assert (good.nodes, good.tets) == (len(box.points), len(box.template.tets))
    assert 0 < good.mean_ratio_min <= good.mean_ratio_p1 <= good.mean_ratio_median <= 1
    mirrored = summarise_quality(StressedMesh(box.template, box.points * (-1, 1, 1), box.field))
    assert mirrored.non_positive_tets == good.tets
    assert mirrored.mean_ratio_min < 0


def test_fit_is_mean_percentile_and_largest_distance():
    fit = summarise_fit(np.linspace(0.0, 2.0, 101))
    assert (fit.mean_mm, fit.p95_mm, fit.max_mm) == pytest.approx((1.0, 1.9, 2.0))


def test_inputs_are_named_by_their_sha256(tmp_path):
    ct, mask = tmp_path / "ct", tmp_path / "mask"
    ct.write_bytes(b"")
    mask.write_bytes(b"abc")
    both, alone = describe_inputs(ct, mask), describe_inputs(ct, None)
    assert both.ct_sha256 == alone.ct_sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert both.mask_sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert alone.mask_sha256 is None


def test_force_balance():
    balance = force_balance(np.array([0.0, 3.0, 504.0]), np.array([0.0, 0.0, -500.0]))
    assert balance.relative_residual == pytest.approx(5 / 500)
    bent = force_balance(np.array([0.0, 0.0, 0.0037]), np.array([0.0, 0.0, -0.001]), 4000.0)
    assert bent.relative_residual == pytest.approx(0.0027 / 4000.0)  # a moment of 50 N m and hardly a load
    assert balance.reaction_ras_newton == (0.0, 3.0, 504.0)


def described(schema):
    """Yield (name, has a description) of every property of the schema."""
    for part in (schema, *schema["$defs"].values()):
        for name, field in part.get("properties", {}).items():
            target = schema["$defs"].get(field.get("$ref", "").rsplit("/", 1)[-1], {})
            yield name, "description" in field or "description" in target


def test_json_follows_its_schema_and_every_field_is_described(report):
    schema = Report.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(report.model_dump_json()), schema)
    assert [name for name, ok in described(schema) if not ok] == []
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_report_refuses_what_is_not_finite(report):
    bad = report.model_dump() | {"timings_s": {"solve": float("nan")}}
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(bad)


def test_summary_reads_the_parsed_json(report):
    text = summary(json.loads(report.model_dump_json()))
    assert "Vertebra L1, 432 N" in text
    assert "2.458 MPa at (-86.0, 53.0, 652.0), superior endplate; depends on the mesh" in text
    assert "WARNING    Level not checked." in text
    assert "Not a medical device" in text
    assert 18 <= len(text.splitlines()) <= 28


def test_summary_without_fit_balance_and_timings(box):
    bare = build_report(box, ReportSections(JobParams(), "L1", INPUTS, describe_software("l1-1"), fidelity="fe"))
    text = summary(json.loads(bare.model_dump_json()))
    assert "fit  " not in text
    assert "balance" not in text
    assert "time (s)" not in text
