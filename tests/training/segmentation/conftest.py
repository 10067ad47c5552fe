from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from synthetic_ct.scanner import Protocol
from synthetic_ct.spine import make_template_spine
from synthetic_ct.whole_ct import SyntheticCt, make_lumbar_ct, write_ct
from tests.made_once import made_once
from training.artifacts.data_folder import data_folder
from workers.mesh.subject_mesh import MeshMorpher


@pytest.fixture(scope="session")
def morpher(engine) -> MeshMorpher:
    """The template that shapes are fitted with: it takes seconds to prepare."""
    return engine.morpher


@pytest.fixture(scope="session")
def verse_person(morpher) -> SyntheticCt:
    """The CT of one synthetic person, of 2 mm voxels, which take seconds."""
    coarse = Protocol(in_plane_mm=2.0, slice_mm=2.0, step_mm=2.0, blur_mm=0.5, noise_hu=12.0, grain=0.7)
    return make_lumbar_ct(4, [make_template_spine(morpher)], coarse, spacing=2.0)


@pytest.fixture(scope="session")
def verse_folder(verse_person, tmp_path_factory) -> Path:
    """That CT in VerSe's BIDS layout and labels."""
    folder = tmp_path_factory.mktemp("verse")
    ct, mask = write_ct(verse_person, folder / "made")
    for part, file, name in (
        ("rawdata", ct, "sub-a_ct.nii.gz"),
        ("derivatives", mask, "sub-a_seg-vert_msk.nii.gz"),
    ):
        target = folder / part / "sub-a" / name
        target.parent.mkdir(parents=True)
        shutil.move(file, target)
    return folder


@pytest.fixture(scope="session")
def one_command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """The whole training by one command, made once for all processes: folders `bundle`, `work` and `states`."""
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (make training)")
    from tests.training.segmentation.one_command import train_by_one_command

    def make(folder: Path) -> None:
        verse, morpher = (request.getfixturevalue(name) for name in ("verse_folder", "morpher"))
        train_by_one_command(folder, data_dir, verse, morpher)

    return made_once(tmp_path_factory, "one-command", make)


@pytest.fixture(scope="session")
def exported_networks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The networks that the command exported; without real data, which it needs, networks that learned nothing."""
    if (data_folder() / "shapes").is_dir():
        return Path(request.getfixturevalue("one_command"))
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (make training)")
    from tests.training.segmentation.one_command import export_networks

    return made_once(tmp_path_factory, "exported-networks", export_networks)
