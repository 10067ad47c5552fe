"""A VerSe folder is read, or told what it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.bundle import DEFAULT_BUNDLE, NETWORKS, SEGMENTER, Bundle
from synthetic_ct.bone_labels import UNKNOWN
from synthetic_ct.spine import make_template_spine
from synthetic_ct.whole_ct import SyntheticCt, make_lumbar_ct, write_ct
from training.__main__ import main
from training.segmentation.data.real_cts import verse_cts, write_real
from training.segmentation.data.synthetic_scans import read_crop, read_trunk


@pytest.fixture(scope="module")
def synthetic() -> SyntheticCt:
    return make_lumbar_ct(4, [make_template_spine()])


@pytest.fixture(scope="module")
def verse(synthetic, tmp_path_factory) -> Path:
    """One synthetic person in VerSe's BIDS layout and labels."""
    folder = tmp_path_factory.mktemp("verse")
    ct, mask = write_ct(synthetic, folder / "made")
    for part, file, name in (
        ("rawdata", ct, "sub-a_ct.nii.gz"),
        ("derivatives", mask, "sub-a_seg-vert_msk.nii.gz"),
    ):
        target = folder / part / "sub-a" / name
        target.parent.mkdir(parents=True)
        shutil.move(file, target)
    return folder


def test_a_verse_folder_is_read(verse, synthetic, tmp_path):
    (source,) = verse_cts(verse)
    assert source.person == "a"
    assert {"L1", "L2", "L3", "L4"} <= set(source.whole)
    crops, trunks = write_real((source,), tmp_path)
    assert len(crops) == len(source.whole)
    trunk = read_trunk(trunks[0])
    at = np.rint(trunk.centres[list(trunk.levels).index(13)]).astype(int)
    assert trunk.bone[tuple(at)] == 13
    assert UNKNOWN in trunk.bone  # ribs and pelvis have no label in VerSe
    l1 = next(crop for crop in map(read_crop, crops) if crop.level == "L1")
    volume = l1.inside.astype(float).sum() / 255.0 * 1.5
    assert volume == pytest.approx((synthetic.labels.voxels == 20).sum() * np.prod(synthetic.ct.spacing), rel=0.02)


def test_a_folder_without_verse_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="VerSe in BIDS layout"):
        verse_cts(tmp_path)


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of its own parts
def test_one_command_trains_and_exports(verse, data_dir, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    bundle, work = tmp_path / "bundle", tmp_path / "work"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    for name in NETWORKS:
        (bundle / name).unlink(missing_ok=True)
    kept = Path("build/training")
    for folder in ("posed", "registered"):  # what takes minutes to make, where it is at hand
        if (kept / folder).is_dir():
            shutil.copytree(kept / folder, work / folder)
    command = f"x segmentation --data {data_dir} --out {bundle} --work {work} --verse {verse}"
    command += (
        " --crops 2 --junctions 2 --trunks 2 --profile tiny --steps 4 --networks locator junctions bifusion --jobs 1"
    )
    monkeypatch.setattr("sys.argv", command.split())
    main()
    assert sorted(p.name for p in (work / "segmentation-verse").iterdir()) == [
        *(f"bifusion-tiny-{fold}" for fold in ("a", "all", "base")),
        *(f"{network}-tiny-{fold}" for network in ("junctions", "locator") for fold in ("all", "base")),
    ]
    made = Bundle(bundle)
    assert made.has(*NETWORKS)
    assert len(made.manifest["segmentation"]["vgg_share_a_level"]) == 5
    session = made.session(SEGMENTER)
    (probability,) = session.run(["probability"], {"slices": np.zeros((2, 9, 32, 48), np.float32)})
    assert probability.shape == (2, 1, 32, 48)
    assert ((probability >= 0.0) & (probability <= 1.0)).all()
