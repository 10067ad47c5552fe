"""Requests on real CTs: verdicts, seeds, scores, what is kept between runs, page, table and picture."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.contract.params import JobParams
from training.artifacts.refusal import RefusedInput
from training.segmentation.data.annotations import Annotation, Body, read_annotations
from training.segmentation.evaluation.contact_sheet import OUTLINE_COLOUR, PIXELS, STEP_MM, draw_tile, write_sheet
from training.segmentation.evaluation.real_ct_files import NETWORKS, asked_cts, half_without, people_seen
from training.segmentation.evaluation.real_ct_outcomes import (
    LEVELS_ASKED,
    AnnotatedCt,
    evaluate_ct,
    read_annotated,
    tiles_of,
)
from training.segmentation.evaluation.real_ct_page import render_page, write_table
from training.segmentation.evaluation.real_ct_records import CtRecords, LevelRecord, SeedRecord
from training.segmentation.evaluation.real_ct_requests import VERDICTS, ask, judge
from training.segmentation.evaluation.reference_scores import field_error, score_answer
from training.segmentation.evaluation.remembered_row import RememberedRow
from training.segmentation.evaluation.seed_places import IN_BODY, seeds_in_arch, seeds_in_body, vertebra_frame
from workers.imaging.volume import Volume
from workers.locate.seed_search import holds_seed

WHOLE = Body(level="L1", centre_ras_mm=(0.0, 0.0, 0.0), whole=True)
CUT = WHOLE.model_copy(update={"whole": False})
SCORE = {"nmae_percent": 1.5, "r2": 0.9, "p99_ratio": 1.02, "peak_ratio": 0.97}
RECORDS = CtRecords(
    "tptbox_L3",
    [
        LevelRecord("tptbox_L3", "L2", "refuse", "refused, cut or absent", None, "vertebra_not_found: nothing", 2.0),
        LevelRecord("tptbox_L3", "L3", "refuse", "refused though whole", None, "vertebra_not_found: 23% | no rib", 2.5),
        LevelRecord(
            "tptbox_L3",
            "L3",
            "flag",
            "right",
            1.25,
            "confidence 0.23",
            3.0,
            {"outline": 1.2, "surrogate": 0.9, "total": 1.5},
            {"dsc": 0.915, "mean_mm": 0.7, "p95_mm": 2.0, "outline": SCORE, "total": SCORE},
        ),
    ],
    [
        SeedRecord("tptbox_L3", "L3", "lamina", "right", 1.0, ""),
        SeedRecord("tptbox_L3", "L3", "lamina", "wrong", 30.0, ""),
    ],
)


@pytest.fixture(scope="module")
def annotation() -> Annotation:
    return next(annotation for annotation in read_annotations() if annotation.name == "tptbox_L3")


@pytest.fixture(scope="module")
def crop(annotation, data_dir) -> AnnotatedCt:
    return read_annotated(data_dir, annotation)


@pytest.mark.parametrize(
    ("centre", "body", "verdict", "away"),
    [
        ((0, 0, 9), WHOLE, "right", 9.0),
        ((0, 0, 9), CUT, "right, though cut", 9.0),
        ((0, 0, 30), WHOLE, "wrong", 30.0),
        ((0, 0, 30), CUT, "wrong", 30.0),
        ((0, 0, 0), None, "wrong", None),
        (None, WHOLE, "refused though whole", None),
        (None, CUT, "refused, cut or absent", None),
        (None, None, "refused, cut or absent", None),
    ],
)
def test_verdicts(centre, body, verdict, away):
    assert judge(None if centre is None else np.array(centre, float), body) == (verdict, away)
    assert verdict in VERDICTS


def test_seeds_lie_in_the_vertebra_where_their_names_say(crop):
    (body,), reference = crop.annotation.bodies, crop.references["L3"]
    frame = vertebra_frame(crop.annotation, body)
    seeds = seeds_in_body(body, frame)
    assert set(seeds) == set(IN_BODY)
    seeds |= seeds_in_arch(reference, body.centre, frame)
    assert len(seeds) == 11
    inside = Volume(reference.voxels > 0, reference.affine)
    assert all(holds_seed(inside, seed) for seed in seeds.values())
    away = {name: (seed - body.centre) @ frame for name, seed in seeds.items()}
    assert away["right"][0] == pytest.approx(12.0)
    assert away["right pedicle"][0] > 8.0 > -8.0 > away["left pedicle"][0]
    assert away["right transverse process"][0] > 25.0
    assert away["left transverse process"][0] < -25.0
    assert away["spinous process"][1] < away["lamina"][1] < away["right pedicle"][1] < 0.0


def test_the_frame_follows_the_annotated_row():
    scan = next(a for a in read_annotations() if a.name == "totalsegmentator_example")
    frame = vertebra_frame(scan, scan.bodies[1])
    tilt = float(np.degrees(np.arccos(frame[2, 2])))
    assert tilt == pytest.approx(16.9, abs=0.1)  # T12, L1 and L2 lean forward downwards


def test_a_seed_in_the_crop_is_answered_and_scored(crop, engine):
    (body,), reference = crop.annotation.bodies, crop.references["L3"]
    answer = ask(crop.volume, JobParams(vertebra="L3", seed_ras_mm=list(body.centre_ras_mm)))
    assert answer.refusal == ""
    assert judge(answer.centre, body)[0] == "right"
    score = score_answer(engine, answer.mask, answer.points, answer.stress.field.von_mises, reference)
    assert 0.88 < score.dsc < 1.0
    assert score.mean_mm < 1.2
    assert 0.3 < score.outline.nmae_percent < 5.0
    assert abs(score.total.nmae_percent - score.outline.nmae_percent) < 1.5
    assert 0.7 < score.outline.p99_ratio < 1.3


def test_the_row_of_a_ct_is_found_once(crop, engine):
    finder = RememberedRow(engine.finder)
    row = finder.row(crop.volume)
    assert finder.row(crop.volume) is row
    again = finder.row(Volume(crop.volume.voxels, crop.volume.affine))
    assert again is not row
    np.testing.assert_array_equal(again.centres, row.centres)


def test_a_point_in_the_air_is_refused(crop):
    answer = ask(crop.volume, JobParams(vertebra="L3", seed_ras_mm=[500.0, 0.0, 0.0]))
    assert answer.refusal.startswith("vertebra_not_found")
    assert answer.centre is None


def test_the_error_of_a_field():
    true, body = np.linspace(0.0, 2.0, 101), np.ones(101, bool)
    error = field_error(1.1 * true, true, body)
    assert error.nmae_percent == pytest.approx(5.0)
    assert error.r2 == pytest.approx(1.0 - 0.01 * np.square(true).sum() / np.square(true - 1.0).sum())
    assert error.p99_ratio == pytest.approx(1.1)
    assert error.peak_ratio == pytest.approx(1.1)
    assert field_error(true, true, body).nmae_percent == 0.0


def test_answers_are_kept(annotation, tmp_path):
    complete = replace(RECORDS, complete=True)
    complete.save(tmp_path / "tptbox_L3-flag.json")
    assert evaluate_ct(tmp_path / "no data", annotation, tmp_path, flag=True, seeds=True) == complete
    assert tiles_of([complete], tmp_path) == [tmp_path / "tptbox_L3_L3.png"]


def test_a_run_goes_on_where_it_was_killed(annotation, data_dir, tmp_path, engine):
    """All but one level are on the disk, so the row is looked for once."""
    done = [
        LevelRecord("tptbox_L3", level, "refuse", "wrong", None, "", 1.0) for level in LEVELS_ASKED if level != "T11"
    ]
    CtRecords("tptbox_L3", list(done), []).save(tmp_path / "tptbox_L3-levels.json")
    records = evaluate_ct(data_dir, annotation, tmp_path, flag=False, seeds=False)
    assert records.complete
    assert records.levels[:-1] == done
    assert (records.levels[-1].level, records.levels[-1].verdict) == ("T11", "refused, cut or absent")


def test_page_and_table(annotation, tmp_path):
    seen = {"locator": (), "landmarks": ("tptbox",), "segmenter": ("tptbox",)}
    page = render_page((annotation,), [RECORDS], seen, "`a command` writes this page.")
    for line in (
        "| tptbox_L3 | L3 to L3 | L3 | label map | landmarks, segmenter |",
        "| right | 0 | 1 |",
        "| refused though whole | 1 | 0 |",
        "| refused, cut or absent | 1 | 1 |",
        "| tptbox_L3 | L3 | flag | right | 1.2 | 3.0 | confidence 0.23 |",
        "| tptbox_L3 | L3 | refuse | refused though whole |  | 2.5 | vertebra_not_found: 23% / no rib |",
        "| tptbox_L3 L3 | 0.915 | 0.70, 2.0 | 1.50, 0.90, 1.02, 0.97 | 1.50, 0.90, 1.02, 0.97 | 1.50 |",
        "| lamina | 2 | 1 | 0 | 1 |",
    ):
        assert line in page.splitlines()
    assert "but with the bases of locator, which have seen no real CT" in " ".join(page.split())
    assert "| tptbox_L3 | L2 |" not in page
    write_table(tmp_path / "table.csv", [RECORDS])
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["request"] for row in rows] == ["refuse", "refuse", "flag", "seed: lamina", "seed: lamina"]
    assert rows[2]["dsc"] == "0.915"
    assert rows[2]["told_percent"] == "1.500"


def test_people_that_the_networks_have_seen():
    assert people_seen({"segmentation": {"people": {"locator": ["a"]}}})["locator"] == ("a",)
    seen = people_seen({}, bases=("segmenter",))
    assert tuple(seen) == NETWORKS
    assert seen["segmenter"] == ()
    assert "tptbox" in seen["landmarks"]
    assert "acrin_petct_49f" not in seen["landmarks"]
    assert {"acrin_petct_49f", "tptbox"} <= set(seen["row"])
    assert set(people_seen({}, bases=("locator",))["locator"]) == {"totalsegmentator", "verse004", "tptbox"}


def test_each_person_is_asked_with_the_half_that_has_not_seen_him():
    for annotation in read_annotations():
        assert annotation.person in half_without(annotation.person).without


def test_tiles_show_the_outline_and_make_one_sheet(tmp_path):
    grid = np.stack(np.meshgrid(*[np.arange(60) - 30.0] * 3, indexing="ij"))
    ball = (np.linalg.norm(grid, axis=0) < 20.0).astype(np.uint8)
    affine = np.eye(4)
    affine[:3, 3] = -30.0
    tile = draw_tile(Volume(600 * ball.astype(np.int16), affine), Volume(ball, affine), np.zeros(3), "a ball")
    outline = (np.asarray(tile) == OUTLINE_COLOUR).all(axis=-1)
    columns = np.flatnonzero(outline[:, :PIXELS].any(axis=0))
    assert (columns[-1] - columns[0]) * STEP_MM == pytest.approx(39.0, abs=1.5)
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path in paths:
        tile.save(path)
    sheet: Path = tmp_path / "sheet.png"
    write_sheet(sheet, paths)
    with Image.open(sheet) as image:
        assert image.size == (3 * tile.width, 2 * tile.height)


def test_a_ct_that_nobody_annotated_is_refused_by_name():
    assert [each.name for each in asked_cts(("tptbox_L3",))] == ["tptbox_L3"]
    assert asked_cts(None) == read_annotations()
    with pytest.raises(RefusedInput, match="no annotated CT is named ct/tptbox_L3; there are acrin_petct_49f"):
        asked_cts(("tptbox_L3", "ct/tptbox_L3"))
