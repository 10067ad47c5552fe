"""The service as a user runs it: `vertebra-stress serve`, then `vertebra-stress run`, on a real CT."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest
import pyvista as pv
from highdicom.seg import Segmentation
from highdicom.sr import MeasurementReport
from PIL import Image
from pydicom import dcmread

from app import local_key
from app.broker import free_port
from app.commands.exit_codes import JOB_FAILED
from app.contract.dicom_series import series_id
from app.contract.params import DICOM_RESULTS, ON_REQUEST
from app.contract.result_files import MEDIA_TYPES
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import SECRETS_FOLDER
from app.start_up import progress
from tests.app.harness import ROOT, kill_group, wait_for
from tests.workers.dicom.dicom_files import PATIENT, SERIES, STUDY, file_bytes, series, turned
from tests.workers.dicom_results.orthanc import PASSWORD, USER, dicomweb_url, running_orthanc
from tests.workers.dicom_results.placed_voxels import placed_voxels
from workers.imaging.volume import read_ct
from workers.results.publish import SPINE_PICTURE

USUAL = MEDIA_TYPES.keys() - {*ON_REQUEST, *DICOM_RESULTS}
WITHIN_S = 3600.0
"""How long a job and the stop may each take on a busy machine; an idle one needs 30 s at most."""


ARCHIVE_PORT = free_port("127.0.0.1")
"""Where the service looks for the archive of the hospital; one test runs it there."""
KEYS: dict[str, str] = {}
"""The key of the service at each URL."""


def ask(url: str) -> httpx.Response:
    return httpx.get(url, headers={"X-API-Key": next(key for start, key in KEYS.items() if url.startswith(start))})


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("VERTEBRA_")}


@pytest.fixture(scope="module")
def service(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    port = free_port("127.0.0.1")
    url, log = f"http://127.0.0.1:{port}", folder / "serve.log"
    settings = {"VERTEBRA_DATA_DIR": str(folder / "data"), "VERTEBRA_PORT": str(port), "TMPDIR": str(folder)}
    settings["VERTEBRA_DICOMWEB_SERVERS"] = json.dumps({"pacs": dicomweb_url(ARCHIVE_PORT)})
    settings["VERTEBRA_DICOMWEB_SOURCES"] = '["pacs"]'
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            cwd=ROOT,
            env=environment() | settings,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )

    def lives() -> None:
        assert process.poll() is None, log.read_text()

    try:
        assert list(progress(url, lives))[-1].is_ready
        KEYS[url] = local_key.find(url, folder / "data" / SECRETS_FOLDER) or ""
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
        assert "compiles for types that it does not list" not in log.read_text()
    finally:
        kill_group(process)


@pytest.fixture(scope="module")
def inputs(data_dir: Path) -> tuple[Path, Path]:
    folder = data_dir / "ct/totalsegmentator_example"
    return folder / "ct.nii.gz", folder / "vertebrae.nii.gz"


def submit(url: str, ct: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--ct", str(ct), "--out", str(out), "--url", url, *more]
    command = [sys.executable, "-m", "app.cli", "run", *arguments]
    sender = environment() | {"VERTEBRA_API_KEY": KEYS[url]}
    return subprocess.run(command, cwd=ROOT, env=sender, capture_output=True, text=True, timeout=WITHIN_S)


def mask(path: Path, label: int) -> tuple[str, ...]:
    return "--mask", str(path), "--label", str(label)


def last_job(url: str) -> dict:
    newest = ask(f"{url}/v1/jobs").json()["jobs"][0]
    return ask(f"{url}/v1/jobs/{newest['id']}").json()


def test_a_ct_becomes_a_stress_field(
    service: str, inputs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    done = submit(service, inputs[0], tmp_path / "out", *mask(inputs[1], 31), "--fidelity", "both")
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr

    job = re.search(r"^job: (\S+)$", done.stdout, re.MULTILINE)
    assert job is not None
    state = ask(job[1]).json()
    assert (state["state"], state["percent"], state["attempt"]) == ("succeeded", 100.0, 1)
    with capsys.disabled():
        print(f"\nclient start to last result: {seconds:.1f} s; worker: {state['timings']} s")  # noqa: T201

    results = ask(f"{job[1]}/results").json()["results"]
    expected = {name: media_type for name, media_type in MEDIA_TYPES.items() if name in USUAL - {SPINE_PICTURE}}
    assert {result["name"]: result["media_type"] for result in results} == expected
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(expected)
    for result in results:
        data = (tmp_path / "out" / result["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == result["sha256"]
        assert len(data) == result["size"]
        assert f"/results/{result['name']}" in done.stdout

    viewer = ask(f"{job[1]}/results/viewer.html").headers  # a browser shows it, shut off from everything else
    assert viewer["content-disposition"].startswith("inline")
    assert "sandbox allow-scripts" in viewer["content-security-policy"]

    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["inputs"]["mask_label"] == 31
    assert report["inputs"]["ct_sha256"] == hashlib.sha256(inputs[0].read_bytes()).hexdigest()
    assert report["inputs"]["mask_sha256"] == hashlib.sha256(inputs[1].read_bytes()).hexdigest()
    assert report["stress"]["peak_von_mises"]["value_mpa"] == pytest.approx(0.8335, rel=0.05)
    assert report["equilibrium"]["relative_residual"] <= 1e-5  # it solves to 5e-5, with a matrix in float32

    grid = pv.read(tmp_path / "out/stress.vtu")
    assert (grid.n_points, grid.n_cells) == (120_913, 675_249)
    assert grid["von_mises"].max() == pytest.approx(report["stress"]["peak_von_mises"]["value_mpa"], rel=1e-5)
    fixed = np.asarray(grid["is_fixed"]) > 0
    assert np.abs(grid["displacement_fe"][fixed]).max() == 0.0
    assert np.abs(grid["von_mises"] - grid["von_mises_fe"]).mean() < 0.01 * grid["von_mises_fe"].max()
    assert report["agreement"]["r2"] > 0.99
    assert "against FE" in done.stdout
    assert pv.read(tmp_path / "out/surface.vtp").n_points == 23_528


@pytest.fixture(scope="module")
def ct_alone(service: str, inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the CT without a mask."""
    out = tmp_path_factory.mktemp("ct_alone") / "out"
    done = submit(service, inputs[0], out)
    assert done.returncode == 0, done.stderr
    return out


def test_a_ct_alone_becomes_a_stress_field(ct_alone: Path, inputs: tuple[Path, Path]) -> None:
    assert sorted(path.name for path in ct_alone.iterdir()) == sorted(USUAL)
    report = json.loads((ct_alone / "report.json").read_text())
    assert report["inputs"]["mask_sha256"] is None
    assert report["segmentation"]["confidence"] > 0.75
    assert report["stress"]["peak_von_mises"]["value_mpa"] == pytest.approx(0.8335, rel=0.3)
    ours = np.asarray(nib.load(ct_alone / "mask.nii.gz").dataobj) > 0
    truth = np.asarray(nib.load(inputs[1]).dataobj) == 31
    assert 2.0 * (ours & truth).sum() / (ours.sum() + truth.sum()) > 0.9


def test_a_dicom_study_has_the_stress_of_its_nifti_file(
    service: str, ct_alone: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """A folder of DICOM files, one part each: the CT, a localizer and a text. Nothing of the patient comes out.

    The scanner's axes, and places rounded to 3e-7 mm, move the mesh by 0.013 mm and the stress by 0.02 % of the peak
    on average, by 2.1 % at one node of the rim; the NIfTI file of the same grid gives the same bytes.
    """
    ct = read_ct(inputs[0])
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout = series(ct.voxels[:, :, :1], ct.affine, SeriesInstanceUID="1.2.3", ImageType=kind)
    images = [*scout, *series(*turned(ct, "LPS"))]
    files = [("dicom", (f"{n}.dcm", file_bytes(each))) for n, each in enumerate(images)]
    files += [("dicom", ("README.txt", b"of the viewer")), ("params", (None, '{"results": ["stress.vtu"]}'))]
    answer = httpx.post(f"{service}/v1/jobs", files=files, headers={"X-API-Key": KEYS[service]}, timeout=WITHIN_S)
    job = wait_for(lambda: ended(service, answer.json()["id"]), "the DICOM job", WITHIN_S)
    assert job["state"] == "succeeded", job["error"]

    (tmp_path / "stress.vtu").write_bytes(ask(f"{service}{job['links']['results']}/stress.vtu").content)
    got, expected = pv.read(tmp_path / "stress.vtu"), pv.read(ct_alone / "stress.vtu")
    difference = np.abs(got["von_mises"] - expected["von_mises"]) / expected["von_mises"].max()
    assert np.linalg.norm(got.points - expected.points, axis=1).mean() < 0.05
    assert difference.mean() < 0.001
    assert difference.max() < 0.05

    text = ask(f"{service}{job['links']['results']}/report.json").text
    dicom = json.loads(text)["dicom"]
    assert dicom["series"] == {
        "id": series_id(SERIES),
        "modality": "CT",
        "orientation": "axial",
        "slices": ct.voxels.shape[2],
        "spacing_mm": 3.0,
        "kernel": "B30f",
        "left_out": None,
    }
    assert [other["left_out"] for other in dicom["others"]] == ["a localizer"]
    assert (dicom["reason"], dicom["files_left_out"]) == ("the only CT series", 1)
    for secret in ("Doe", "4711", "19500102", "20260102", SERIES, STUDY):
        word = rf"(?<![\w.]){re.escape(secret)}(?!\w)"  # 4711 may be among the digits of a number or of a sha256
        assert not re.search(word, text + json.dumps(job))


def test_the_results_of_a_dicom_study_go_back_into_it(service: str, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """A study in an archive, which then has the mask, voxel by voxel, the numbers and the page, with the patient.

    The mask is then sent back as it is in the archive.
    """
    hu, affine = turned(read_ct(inputs[0]), "LPS")
    images = series(hu, affine)
    params = json.dumps({"results": ["mask.nii.gz"], "store_to": "pacs"})
    with running_orthanc(tmp_path, ARCHIVE_PORT) as archive:
        for image in images:
            httpx.post(f"{archive}/instances", content=file_bytes(image)).raise_for_status()
        sent = set(httpx.get(f"{archive}/instances").json())
        address = dicomweb_url(ARCHIVE_PORT).replace(f"{USER}:{PASSWORD}@", "")
        files = {"ct_url": (None, f"{address}/studies/{STUDY}"), "params": (None, params)}
        answer = httpx.post(f"{service}/v1/jobs", files=files, headers={"X-API-Key": KEYS[service]}, timeout=WITHIN_S)
        job = wait_for(lambda: ended(service, answer.json()["id"]), "the DICOM job", WITHIN_S)
        assert job["state"] == "succeeded", job["error"]
        assert not any("stored" in warning for warning in job["warnings"])
        made = set(httpx.get(f"{archive}/instances").json()) - sent
        stored = [httpx.get(f"{archive}/instances/{each}/file").content for each in made]
    names = {each["name"] for each in ask(f"{service}{job['links']['results']}").json()["results"]}
    assert names == {"mask.nii.gz", "report.json", *DICOM_RESULTS}
    read = {each.Modality: each for each in map(dcmread, map(BytesIO, stored))}
    assert sorted(read) == ["DOC", "SEG", "SR"]
    assert {(each.StudyInstanceUID, each.PatientID, str(each.PatientName)) for each in read.values()} == {
        (STUDY, "4711", PATIENT)
    }
    (tmp_path / "mask.nii.gz").write_bytes(ask(f"{service}{job['links']['results']}/mask.nii.gz").content)
    mask = nib.load(tmp_path / "mask.nii.gz")
    seen = placed_voxels(Segmentation.from_dataset(read["SEG"]), mask.affine, mask.shape)
    np.testing.assert_array_equal(seen, np.asarray(mask.dataobj))
    assert seen.sum() > 1000
    report = ask(f"{service}{job['links']['results']}/report.json").json()
    content = MeasurementReport.from_sequence([read["SR"]])
    (group,) = content.get_volumetric_roi_measurement_groups()
    numbers = {each.name.value: each.value for each in group.get_measurements()}
    assert numbers["VM_P99"] == pytest.approx(report["stress"]["overall"]["p99_mpa"], rel=1e-5)
    assert bytes(read["DOC"].EncapsulatedDocument).startswith(b"%PDF-")
    corrected = mask_sent_back(service, job, next(data for data in stored if dcmread(BytesIO(data)).Modality == "SEG"))
    (tmp_path / "back.nii.gz").write_bytes(ask(f"{service}{corrected['links']['results']}/mask.nii.gz").content)
    differ = np.asarray(nib.load(tmp_path / "back.nii.gz").dataobj) != np.asarray(mask.dataobj)
    assert differ.sum() < 10  # a mask that was sent is cleaned of specks and holes
    said = json.dumps([report, job])
    if shutil.which("pdftotext"):
        page = subprocess.run(["pdftotext", "-", "-"], input=read["DOC"].EncapsulatedDocument, capture_output=True)
        said += page.stdout.decode()
        assert "Vertebra L1" in said
    for secret in ("Doe", "Jane", "19500102", STUDY):
        assert secret not in said


def mask_sent_back(url: str, job: dict, segmentation: bytes) -> dict:
    """The job that a DICOM segmentation corrects, when it has ended; its level is that of the segment."""
    files = {"mask": ("m", segmentation), "params": (None, '{"vertebra": null, "store_to": null}')}
    path = f"{url}{job['links']['self']}/retry"
    answer = httpx.post(path, files=files, headers={"X-API-Key": KEYS[url]}, timeout=WITHIN_S)
    job = wait_for(lambda: ended(url, answer.json()["id"]), "the corrected job", WITHIN_S)
    assert job["state"] == "succeeded", job["error"]
    report = ask(f"{url}{job['links']['results']}/report.json").json()
    assert (report["vertebra"], report["numbering"]["chosen_by"]) == ("L1", "segment")
    return job


def ended(url: str, job_id: str) -> dict | None:
    job = ask(f"{url}/v1/jobs/{job_id}").json()
    return job if job["finished_at"] else None


def test_a_refused_ct_leaves_pictures_of_what_was_seen(service: str, data_dir: Path, tmp_path: Path) -> None:
    """A chest without the first rib, the end of the ribs and the sacrum: which vertebra is T11 is not settled."""
    chest = data_dir / "ct_unlabelled/acrin_petct_42f/ct.nii.gz"
    done = submit(service, chest, tmp_path / "out", "--vertebra", "T11")
    assert done.returncode == JOB_FAILED
    error = last_job(service)["error"]
    assert error["type"] == "/problems/vertebra_not_found"
    candidates = [f"candidate-{number}.png" for number in range(1, len(error["alternatives"]) + 1)]
    assert candidates
    assert error["pictures"] == [SPINE_PICTURE, *candidates]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(error["pictures"])
    for name in error["pictures"]:
        with Image.open(tmp_path / "out" / name) as image:
            assert image.format == "PNG"
            assert len(image.convert("RGB").getcolors()) > 50


def assert_failed_without_results(url: str, out: Path, slug: str) -> dict:
    job = last_job(url)
    assert job["state"] == "failed"
    assert job["error"]["type"].endswith(slug)
    answer = ask(f"{url}/v1/jobs/{job['id']}/results")
    assert answer.status_code == 409
    assert ask(f"{url}/v1/jobs/{job['id']}/results/stress.vtu").status_code in (404, 409)
    assert not out.exists()
    return job


def test_a_truncated_ct_fails_by_name(service: str, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    ct = tmp_path / "cut.nii.gz"
    data = inputs[0].read_bytes()
    ct.write_bytes(data[: len(data) // 2])
    done = submit(service, ct, tmp_path / "out", *mask(inputs[1], 31))
    assert done.returncode == JOB_FAILED
    assert "The file is damaged or incomplete" in done.stderr
    assert "corrupt_file" in done.stderr
    job = assert_failed_without_results(service, tmp_path / "out", "corrupt_file")
    assert job["error"]["status"] == 422
    assert job["attempt"] == 1  # bad input is not tried again


def test_a_bad_label_lists_those_present(service: str, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    done = submit(service, inputs[0], tmp_path / "out", *mask(inputs[1], 20))
    assert done.returncode == JOB_FAILED
    assert "label_absent" in done.stderr
    assert "[26, 27, 28, 29, 30, 31, 32, 33]" in done.stderr
    job = assert_failed_without_results(service, tmp_path / "out", "label_absent")
    assert job["error"]["labels_present"] == [26, 27, 28, 29, 30, 31, 32, 33]
