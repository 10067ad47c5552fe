"""Several levels of a real CT in one job: each as in a job of its own, and a refusal beside them."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numba
import numpy as np
import pytest

from app.commands.levels_text import levels_text
from app.contract.errors import EveryLevelRefused, LabelAbsent
from app.contract.params import JobParams
from app.contract.report import Report
from app.contract.summary import Summary
from workers import several_levels
from workers.imaging.volume import Volume, read_mask
from workers.mask_stage import read_label_map, take_numbered_label
from workers.pipeline import PipelineResult, run_pipeline
from workers.several_levels import LEVEL_BYTES, levels_at_once, outcomes_of

RESULTS = ["mask.nii.gz", "stress.vtu", "spine.png"]
SHARED, OF_LEVEL = ["read", "localise"], ["segment", "surface", "morph", "predict", "write"]


@dataclass(frozen=True)
class Run:
    result: PipelineResult
    folder: Path
    told: list[tuple[Any, ...]]
    seconds: float

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


def run(files: tuple[Path, Path | None], folder: Path, **params: Any) -> Run:
    folder.mkdir(exist_ok=True)
    told: list[tuple[Any, ...]] = []
    start = time.perf_counter()
    result = run_pipeline(*files, JobParams(**params), folder, lambda *what: told.append(what))
    return Run(result, folder, told, time.perf_counter() - start)


def of_level(told: list[tuple[Any, ...]]) -> dict[str | None, list[str]]:
    """The stages of each level in their order, and under None those that the levels share."""
    stages: dict[str | None, list[str]] = {}
    for stage, _, *level in told:
        names = stages.setdefault(level[0] if level else None, [])
        names += [stage] if stage not in names else []
    return stages


@pytest.fixture(scope="module")
def ct(data_dir) -> Path:
    return data_dir / "ct/totalsegmentator_example/ct.nii.gz"


@pytest.fixture(scope="module")
def several(ct, tmp_path_factory) -> Run:
    """T12 is cut at the top of the scan. A process of the tests has one core, so two at once are asked for."""
    asked = ["L2", "T12", "L1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several_levels, "levels_at_once", lambda: 2)
        return run((ct, None), tmp_path_factory.mktemp("several"), vertebra=asked, results=RESULTS)


def test_each_level_has_its_results_in_a_folder_of_its_own(several):
    files = [f"{level}/{name}" for level in ("L1", "L2") for name in ("stress.vtu", "mask.nii.gz", "report.json")]
    assert [file.name for file in several.result.files] == ["summary.json", "spine.png", *files]
    for file in several.result.files:
        assert file.path == several.folder / file.name
        assert file.path.stat().st_size > 1000
    assert list(several.result.timings) == [*SHARED, *OF_LEVEL]


def test_the_scan_is_read_and_its_row_is_found_once(several):
    assert of_level(several.told) == {None: SHARED, "T12": ["segment"], "L1": OF_LEVEL, "L2": OF_LEVEL}
    percents = [what[1] for what in several.told]
    assert percents == sorted(percents)
    assert percents[-1] < 100.0


def test_the_summary_has_each_level_and_its_report_s_numbers(several):
    summary = Summary.model_validate(several.json("summary.json"))
    assert [(level.vertebra, level.state) for level in summary.levels] == [
        ("T12", "refused"), ("L1", "done"), ("L2", "done"),
    ]  # fmt: skip
    assert summary.levels[0].problem["type"] == "/problems/vertebra_truncated"
    assert summary.levels[0].headline is None
    for level in summary.levels[1:]:
        report = Report.model_validate(several.json(f"{level.vertebra}/report.json"))
        assert report.vertebra == level.vertebra
        assert list(report.timings_s) == OF_LEVEL
        assert report.inputs == summary.inputs
        assert level.headline.p99_mpa == report.stress.overall.p99_mpa
        assert level.headline.peak_von_mises == report.stress.peak_von_mises
        assert level.headline.expected_error == report.expected_error
        assert level.headline.level_verified is True
        assert level.warnings == report.warnings
    assert several.result.warnings[0] == "T12 has no stress: The vertebra is not whole."
    assert any(text.startswith("L1, L2: The CT's voxels measure") for text in several.result.warnings)
    assert any(text.startswith("L2: The template is an L1") for text in several.result.warnings)


def test_a_person_reads_one_line_a_level(several):
    lines = levels_text(several.json("summary.json")).splitlines()
    of_level = {line.split()[0]: line for line in lines if line[:1] in ("T", "L")}
    assert "refused: The vertebra is not whole (vertebra_truncated)" in of_level["T12"]
    l1 = several.json("L1/report.json")["stress"]["overall"]["p99_mpa"]
    assert of_level["L1"].split()[1] == f"{l1:.3f}"


def test_a_level_of_several_is_as_in_a_job_of_its_own(several, ct, tmp_path):
    alone = run((ct, None), tmp_path, vertebra="L2", results=RESULTS)
    assert [file.name for file in alone.result.files] == ["stress.vtu", "mask.nii.gz", "report.json", "spine.png"]
    report, other = alone.json("report.json"), several.json("L2/report.json")
    for section in ("stress", "geometry", "fit", "mesh", "segmentation", "prediction", "inputs", "warnings"):
        assert other[section] == report[section], section
    for name in ("mask.nii.gz", "stress.vtu"):
        assert (tmp_path / name).read_bytes() == (several.folder / "L2" / name).read_bytes()


def test_two_levels_are_computed_at_once_and_their_times_are_those_of_the_job(several):
    first = {(what[0], *what[2:]): number for number, what in reversed(list(enumerate(several.told)))}
    assert first["segment", "L2"] < first["write", "L1"]
    assert sum(several.result.timings.values()) <= several.seconds
    reports = [several.json(f"{level}/report.json")["timings_s"] for level in ("L1", "L2")]
    assert sum(sum(times.values()) for times in reports) > sum(several.result.timings[name] for name in OF_LEVEL)


def test_levels_are_computed_one_by_one_on_one_core_and_with_little_memory(monkeypatch):
    monkeypatch.setattr(several_levels, "memory_left", lambda: 2 * LEVEL_BYTES)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    assert levels_at_once() == 2
    monkeypatch.setattr(several_levels, "memory_left", lambda: 2 * LEVEL_BYTES - 1)
    assert levels_at_once() == 1
    monkeypatch.setattr(several_levels, "memory_left", lambda: 2 * LEVEL_BYTES)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    assert levels_at_once() == 1


def test_where_two_levels_at_once_lack_memory_they_are_computed_one_by_one(monkeypatch):
    monkeypatch.setattr(several_levels, "levels_at_once", lambda: 2)
    both, done = threading.Barrier(2), []

    def work(params: JobParams) -> str:
        if threading.current_thread() is not threading.main_thread():
            both.wait(60.0)
            raise MemoryError
        done.append(params.vertebra_sought)
        return f"of {done[-1]}"

    outcomes = outcomes_of(JobParams(vertebra=["L1", "L2", "L3"]), work)
    assert outcomes == {"L1": "of L1", "L2": "of L2", "L3": "of L3"}
    assert done == ["L1", "L2", "L3"]


def test_where_all_levels_are_refused_the_job_fails_with_the_reason_of_each(ct, tmp_path):
    with pytest.raises(EveryLevelRefused) as caught:
        run((ct, None), tmp_path, vertebra=["T12", "T11"])
    levels = caught.value.problem()["levels"]
    assert [(level["vertebra"], level["problem"]["type"].split("/")[-1]) for level in levels] == [
        ("T11", "vertebra_truncated"), ("T12", "vertebra_truncated"),
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["spine.png"]


def test_the_labels_of_a_map_are_several_levels(ct, tmp_path):
    """The map says that it is numbered as TotalSegmentator's; its T12 is cut. The load follows from the body weight."""
    mask = ct.with_name("vertebrae.nii.gz")
    done = run((ct, mask), tmp_path, vertebra=["T12", "L1", "L3"], results=[], surrogate="tangent", body_weight_kg=70.0)
    assert [file.name for file in done.result.files] == ["summary.json", "L1/report.json", "L3/report.json"]
    stages = ["mask", "surface", "morph", "predict", "write"]
    assert of_level(done.told) == {None: ["read"], "T12": ["mask"], "L1": stages, "L3": stages}
    summary = Summary.model_validate(done.json("summary.json"))
    levels = summary.levels
    assert summary.load_newton is None
    assert levels_text(done.json("summary.json")).startswith("L1 257 N, L3 289 N axial compression")
    assert [(level.vertebra, level.state) for level in levels] == [("T12", "refused"), ("L1", "done"), ("L3", "done")]
    assert levels[0].problem["type"] == "/problems/vertebra_truncated"
    for level, label in (("L1", 31), ("L3", 29)):
        report = Report.model_validate(done.json(f"{level}/report.json"))
        assert (report.vertebra, report.inputs.mask_label, report.numbering.level) == (level, label, level)
        assert report.inputs.mask_sha256 is not None
        assert report.load_newton == pytest.approx(report.body_weight.newton)


def test_a_level_that_the_map_does_not_have_is_refused_by_name(ct):
    mask = read_mask(ct.with_name("vertebrae.nii.gz"))
    without = Volume(np.where(mask.voxels == 30, 0, mask.voxels), mask.affine)
    labels = read_label_map(without)
    assert take_numbered_label(labels, JobParams(vertebra="L3")).number == 29
    with pytest.raises(LabelAbsent, match="The mask has no L2") as caught:
        take_numbered_label(labels, JobParams(vertebra="L2"))
    assert caught.value.extra["labels_present"] == [26, 27, 28, 29, 31, 32, 33]


def test_a_mask_of_one_label_is_not_taken_for_several_levels(ct, tmp_path):
    image = nib.load(ct.with_name("vertebrae.nii.gz"))
    one = (np.asarray(image.dataobj) == 31).astype(np.uint8)
    nib.save(nib.Nifti1Image(one, image.affine), tmp_path / "one.nii.gz")
    with pytest.raises(EveryLevelRefused) as caught:
        run((ct, tmp_path / "one.nii.gz"), tmp_path / "out", vertebra=["L1", "L2"])
    problems = [level["problem"] for level in caught.value.problem()["levels"]]
    assert [problem["type"] for problem in problems] == ["/problems/label_ambiguous"] * 2
    assert "mask_convention" in problems[0]["detail"]
    with pytest.raises(EveryLevelRefused, match="No level"):
        run((ct, tmp_path / "one.nii.gz"), tmp_path / "out", vertebra=["L1", "L2"], mask_convention="verse")
