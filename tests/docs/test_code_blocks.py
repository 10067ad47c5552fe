"""Every code block of tutorial and how-to runs, in a folder of its page, against a real service that starts once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID

from app import local_key
from app.broker import free_port
from app.jobs.parent_death import die_with_parent
from app.jobs.settings import SECRETS_FOLDER
from app.start_up import progress
from tests.app.harness import PATIENCE_S, ROOT, kill_group
from tests.docs.code_blocks import PYTHON, SHELL, SHOWN, Block, blocks_of
from tests.workers.dicom.dicom_files import SERIES, file_bytes, series, zipped

TUTORIAL = ROOT / "docs" / "tutorial" / "from-nothing-to-a-picture.md"
PAGES = sorted(path for folder in ("tutorial", "how-to") for path in (ROOT / "docs" / folder).glob("*.md"))
OTHER_PAGES = [path for path in PAGES if path != TUTORIAL and any(block.reason is None for block in blocks_of(path))]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start the service; yield the environment of a person who has it on this machine."""
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    folder = tmp_path_factory.mktemp("service")
    port = free_port("127.0.0.1")
    url, log = f"http://127.0.0.1:{port}", folder / "serve.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("VERTEBRA_")}
    own |= {"VERTEBRA_DATA_DIR": str(folder / "data"), "VERTEBRA_PORT": str(port), "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            env=own,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid(), signal.SIGTERM),
        )

    def lives() -> None:
        assert process.poll() is None, log.read_text()

    try:
        assert list(progress(url, lives))[-1].is_ready
        key = local_key.find(url, folder / "data" / SECRETS_FOLDER) or ""
        path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        yield own | {"VERTEBRA_URL": url, "VERTEBRA_API_KEY": key, "PATH": path}
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_S)
        finally:
            kill_group(process)


def run(page: Path, folder: Path, environment: dict[str, str]) -> str:
    """Run the blocks of a page in a folder as in a clone of the repository; return what they print."""
    (folder / ".venv").symlink_to(sys.prefix)
    command = [sys.executable, "-m", "tests.docs.code_blocks", str(page)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tutorial(service: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder where a newcomer has done the tutorial, and what it printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    return folder, run(TUTORIAL, folder, service)


def test_the_tutorial_ends_with_a_stress_field(tutorial: tuple[Path, str]) -> None:
    folder, printed = tutorial
    assert "120913 nodes, 675249 tetrahedra" in printed
    assert "vertebra              L1" in printed
    assert b"<html" in (folder / "my-results" / "viewer.html").read_bytes()[:1000].lower()


@pytest.mark.parametrize("page", OTHER_PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(
    page: Path, service: dict[str, str], tutorial: tuple[Path, str], tmp_path: Path
) -> None:
    done = tutorial[0]
    for source in (done / "my-ct" / "ct.nii.gz", done / "my-ct" / "mask.nii.gz", done / "my-results" / "stress.vtu"):
        (tmp_path / source.name).symlink_to(source)
    write_study(tmp_path)
    printed = run(page, tmp_path, service)
    assert '"state":"failed"' not in printed, printed


def write_study(folder: Path) -> None:
    """Write a study of two phases, of which the service asks the person to choose one: as files and as a zip."""
    hu = np.zeros((16, 16, 12), np.int16)
    phases = [image for uid in (SERIES, f"{SERIES}.1") for image in series(hu, np.eye(4), SeriesInstanceUID=uid)]
    (folder / "study").mkdir()
    for number, image in enumerate(phases):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(f"{SERIES}.{number + 10}")
        (folder / "study" / f"{number}.dcm").write_bytes(file_bytes(image))
    zipped(folder / "study.zip", phases)


def block(text: str, tmp_path: Path) -> list[Block]:
    (tmp_path / "page.md").write_text(text)
    return blocks_of(tmp_path / "page.md")


def test_a_block_has_language_line_and_reason(tmp_path: Path) -> None:
    text = "a\n```sh\nls\n```\n\n<!-- not run: no network -->\n```python\nx = 1\n\ny = 2\n```\n"
    assert block(text, tmp_path) == [Block("sh", "ls", 3, None), Block("python", "x = 1\n\ny = 2", 8, "no network")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_run_or_shown(page: Path) -> None:
    assert {block.language for block in blocks_of(page)} <= {SHELL, PYTHON, *SHOWN}


PAGES_BY_STATUS = [
    ("```sh\nx=1\n```\n```sh\ntest $x = 1\n```\n", 0),
    ("```sh\nfalse\n```\n", 1),
    ("```python\nx = 1\n```\n```python\nassert x == 2\n```\n", 1),
]


@pytest.mark.parametrize(("text", "status"), PAGES_BY_STATUS)
def test_a_block_that_fails_is_seen_and_what_it_sets_stays(text: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(text)
    command = [sys.executable, "-m", "tests.docs.code_blocks", "page.md"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == status
