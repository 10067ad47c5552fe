from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from app.contract.params import JobParams
from app.contract.report import Inputs, Report, SurfaceFit
from app.report_text import summary
from models.template import REGIONS
from workers.geometry.weighted_statistics import min_dihedral_degrees, nodal_volumes, weighted_percentiles
from workers.results.build_report import build_report, force_balance, mesh_quality

VOLUME = 24 * 18 * 12
REGULAR = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float64)


@pytest.fixture
def report(case) -> Report:
    return build_report(
        case.template,
        case.points,
        case.field,
        params=JobParams(load_newton=432.0),
        inputs=Inputs(ct_sha256="0" * 64, mask_sha256="f" * 64),
        bundle_version="l1-1",
        fit=SurfaceFit(mean_mm=0.1, p95_mm=0.3, max_mm=1.5),
        equilibrium=force_balance(np.array([0.0, 0.0, 432.0]), np.array([0.0, 0.0, -432.0])),
        timings_s={"read": 0.25, "solve": 4.0},
        warnings=["Level not checked."],
    )


def test_peak_has_value_place_and_region(case, report):
    peak = report.stress.peak_von_mises
    assert peak.value_mpa == pytest.approx(1 + 1.2 + 0.24 + 0.018)
    assert peak.position_ras_mm == pytest.approx((-110 + 24, 35 + 18, 640 + 12))
    assert peak.region == "superior_endplate"
    np.testing.assert_allclose(case.points[peak.node_id], peak.position_ras_mm)
    assert report.stress.smallest_principal.value_mpa == pytest.approx(-peak.value_mpa)
    assert report.stress.smallest_principal.node_id == peak.node_id
    assert report.stress.largest_principal.value_mpa == 0


def test_peak_away_from_endplates_is_3_mm_from_both(case, report):
    peak = report.stress.peak_away_from_endplates
    assert peak is not None
    assert peak.region in ("body", "posterior_elements")
    assert peak.value_mpa < report.stress.peak_von_mises.value_mpa
    height = case.points[:, 2] - case.points[:, 2].min()  # the endplates are the planes at 0 and 12 mm
    away = (height > 3.0) & (height < 9.0)
    assert away[peak.node_id]
    assert peak.value_mpa == case.field.von_mises[away].max()


def test_means_and_volume_are_exact_for_a_linear_field(report):
    overall = report.stress.overall
    assert overall.mean_mpa == pytest.approx(1 + 0.1 * 6 + 0.01 * 12 + 0.001 * 9, rel=1e-12)
    assert overall.volume_mm3 == pytest.approx(VOLUME, rel=1e-12)
    assert report.geometry.volume_mm3 == pytest.approx(VOLUME, rel=1e-12)
    assert report.geometry.surface_area_mm2 == pytest.approx(2 * (24 * 18 + 18 * 12 + 24 * 12), rel=1e-12)
    assert set(report.stress.regions) == {REGIONS[k] for k in (0, 1, 2, 5)}
    assert sum(row.volume_mm3 for row in report.stress.regions.values()) == pytest.approx(VOLUME)


def test_percentiles_do_not_follow_mesh_density(case):
    z = case.template.nodes[:, 2]
    weights = nodal_volumes(case.points, case.template.tets)
    got = weighted_percentiles(z, weights, (25, 50, 75))
    thickest = np.diff(np.unique(z)).max()  # the box is uniform, so z is uniform on 0..12
    np.testing.assert_allclose(got, (3, 6, 9), atol=thickest / 2)
    assert np.median(z) > 8.9


def test_equal_weights_are_hazen_percentiles():
    rng = np.random.default_rng(3)
    values = rng.normal(size=41)
    q = np.linspace(5, 95, 19)
    expected = np.percentile(values, q, method="hazen")
    np.testing.assert_allclose(weighted_percentiles(values, np.full(41, 0.3), q), expected, rtol=1e-12)


def test_percentile_of_three_weighted_values():
    # shares 1/2, 1/4, 1/4: middles at 25, 62.5 and 87.5 percent
    got = weighted_percentiles(np.array([30.0, 10.0, 20.0]), np.array([1.0, 2.0, 1.0]), (0, 25, 62.5, 75, 100))
    np.testing.assert_allclose(got, (10, 10, 20, 25, 30))


def test_mesh_quality_of_a_regular_and_an_inverted_tet(case):
    tets = np.array([[0, 1, 2, 3]], np.int32)
    assert min_dihedral_degrees(REGULAR, tets) == pytest.approx(np.degrees(np.arccos(1 / 3)))
    good = mesh_quality(case.template, case.points)
    assert good.non_positive_tets == 0
    assert (good.nodes, good.tets) == (len(case.points), len(case.template.tets))
    assert 0 < good.mean_ratio_min <= good.mean_ratio_p1 <= good.mean_ratio_median <= 1
    mirrored = mesh_quality(case.template, case.points * (-1, 1, 1))
    assert mirrored.non_positive_tets == good.tets
    assert mirrored.mean_ratio_min < 0


def test_force_balance():
    balance = force_balance(np.array([0.0, 3.0, 504.0]), np.array([0.0, 0.0, -500.0]))
    assert balance.relative_residual == pytest.approx(5 / 500)
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


def test_report_refuses_what_is_not_finite(case, report):
    bad = report.model_dump() | {"timings_s": {"solve": float("nan")}}
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(bad)


def test_summary_reads_the_parsed_json(report):
    text = summary(json.loads(report.model_dump_json()))
    assert "Vertebra L1, 432 N" in text
    assert "2.458 MPa at (-86.0, 53.0, 652.0), superior endplate" in text
    assert "WARNING    Level not checked." in text
    assert "Not a medical device" in text
    assert 18 <= len(text.splitlines()) <= 28


def test_summary_without_fit_balance_and_timings(case):
    bare = build_report(
        case.template,
        case.points,
        case.field,
        params=JobParams(),
        inputs=Inputs(ct_sha256="0" * 64, mask_sha256=None),
        bundle_version="l1-1",
    )
    text = summary(json.loads(bare.model_dump_json()))
    assert "fit  " not in text
    assert "balance" not in text
    assert "time (s)" not in text
