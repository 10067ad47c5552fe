"""The commands that train and export the networks of segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundle import NETWORKS, SEGMENTER, Bundle
from workers.imaging.network_input import CHANNELS, STRUCTURES


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of its own parts
def test_one_command_trains_and_exports(one_command):
    work = one_command / "work"
    assert sorted(p.name for p in (work / "segmentation-manifest").iterdir()) == [
        *(f"bifusion-tiny-{fold}" for fold in ("a", "all", "base")),
        *(f"{network}-tiny-{fold}" for network in ("landmarks", "locator", "row") for fold in ("all", "base")),
    ]
    assert _names(work / "scans" / "anatomy") == ["00000.xz"]
    assert len(_names(work / "scans" / "label_maps")) == len(_names(work / "scans" / "labelled-manifest")) == 1
    made = Bundle(one_command / "bundle")
    assert made.has(*NETWORKS)
    assert len(made.manifest["segmentation"]["vgg_share_a_level"]) == 5
    session = made.session(SEGMENTER)
    (probability,) = session.run(["probability"], {"slices": np.zeros((2, CHANNELS, 32, 48), np.float32)})
    assert probability.shape == (2, len(STRUCTURES), 32, 48)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-5)


def _names(folder: Path) -> list[str]:
    """Return the names of the scans in a folder, without the settings."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".json")
