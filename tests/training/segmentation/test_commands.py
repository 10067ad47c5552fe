"""The commands that train and export the networks of segmentation."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.bundle import DEFAULT_BUNDLE, NETWORKS, SEGMENTER, Bundle
from training.__main__ import main


@pytest.mark.timeout(900)  # 66 shapes are registered first: 2 minutes on two idle cores
@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of its own parts
def test_one_command_trains_and_exports(verse_folder, data_dir, tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    bundle, work = tmp_path / "bundle", tmp_path / "work"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    for name in NETWORKS:
        (bundle / name).unlink(missing_ok=True)
    stored = Path("build/training")
    for folder in ("posed", "registered"):  # they take minutes to make; copied where they exist
        if (stored / folder).is_dir():
            shutil.copytree(stored / folder, work / folder)
    command = f"x segmentation --data {data_dir} --out {bundle} --work {work} --verse {verse_folder}"
    command += (
        " --crops 2 --landmarks 2 --trunks 2 --profile tiny --steps 4 --networks locator landmarks bifusion --jobs 1"
    )
    monkeypatch.setattr("sys.argv", command.split())
    main()
    assert sorted(p.name for p in (work / "segmentation-verse").iterdir()) == [
        *(f"bifusion-tiny-{fold}" for fold in ("a", "all", "base")),
        *(f"{network}-tiny-{fold}" for network in ("landmarks", "locator") for fold in ("all", "base")),
    ]
    made = Bundle(bundle)
    assert made.has(*NETWORKS)
    assert len(made.manifest["segmentation"]["vgg_share_a_level"]) == 5
    session = made.session(SEGMENTER)
    (probability,) = session.run(["probability"], {"slices": np.zeros((2, 9, 32, 48), np.float32)})
    assert probability.shape == (2, 1, 32, 48)
    assert ((probability >= 0.0) & (probability <= 1.0)).all()
