"""The commands that train and export the networks of segmentation."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.bundle import DEFAULT_BUNDLE, NETWORKS, SEGMENTER, Bundle
from training.__main__ import main
from workers.imaging.network_input import CHANNELS, STRUCTURES

COMMAND = (
    "x segmentation --data {data} --out {bundle} --work {work} --manifest {manifest} --crops 1 --landmarks 1 --trunks 1"
    " --anatomy 1 --rows 2 --profile tiny --steps 2 --networks locator row landmarks bifusion --jobs 1"
)


@pytest.fixture
def few_sources(monkeypatch, morpher) -> None:
    """One real vertebra, one scan of each kind, coarse and few slices: the whole chain without its minutes."""
    pytest.importorskip("torch", reason="torch is not installed (make training)")
    from training.segmentation.data import label_map_crops, label_map_trunks, source_spines, synthetic_scans
    from training.segmentation.fitting import fit_landmarks, fit_locator, fit_row, fit_segmenter
    from training.segmentation.synthesis import scanner
    from training.shapes import registration
    from training.shapes.sources import Source

    sources = (Source("visible_human", "L5", "shapes/visible_human_male/L5.ply"),)
    monkeypatch.setattr(source_spines, "SOURCES", sources)
    monkeypatch.setattr(source_spines, "read_spines", partial(source_spines.read_spines, sources=sources))
    for module in (source_spines, registration):
        monkeypatch.setattr(module, "MeshMorpher", lambda *_: morpher)
    for module in (label_map_crops, label_map_trunks):
        monkeypatch.setattr(module, "LABEL_MAPS", label_map_crops.LABEL_MAPS[1:])
    monkeypatch.setattr(label_map_trunks, "LABEL_MAP_TRUNKS", 1)
    monkeypatch.setattr(label_map_crops, "LABEL_MAP_LEVELS", ("L4",))
    monkeypatch.setattr(synthetic_scans, "IMAGES", 1)
    for module, name in (
        (fit_landmarks, "BATCHES"),
        (fit_row, "BATCHES"),
        (fit_locator, "VOLUMES"),
        (fit_segmenter, "BATCHES"),
    ):
        monkeypatch.setattr(module, f"VALIDATION_{name}", 1)
    monkeypatch.setattr(fit_segmenter, "VALIDATION_SLICES", 4)
    monkeypatch.setattr(fit_segmenter, "WINDOW_SHAPE", (128, 128, 4))
    monkeypatch.setattr(scanner, "LEAST_PIXEL_MM", 3.0)


def manifest_of(folder: Path) -> Path:
    """Write the list of the lumbar vertebrae of the person in a VerSe folder."""
    path, (ct,), (mask,) = folder / "cases.csv", folder.rglob("*_ct.nii.gz"), folder.rglob("*_msk.nii.gz")
    files = ",".join(str(file.relative_to(folder)) for file in (ct, mask))
    lines = [f"{files},verse,L{number},a" for number in range(1, 6)]
    path.write_text("\n".join(["ct,mask,convention,level,person", *lines]))
    return path


@pytest.mark.filterwarnings("ignore")  # torch's exporter warns of its own parts
def test_one_command_trains_and_exports(few_sources, verse_folder, data_dir, tmp_path, monkeypatch):
    bundle, work = tmp_path / "bundle", tmp_path / "work"
    shutil.copytree(DEFAULT_BUNDLE, bundle)
    for name in NETWORKS:
        (bundle / name).unlink(missing_ok=True)
    command = COMMAND.format(data=data_dir, bundle=bundle, work=work, manifest=manifest_of(verse_folder))
    monkeypatch.setattr("sys.argv", command.split())
    main()
    assert sorted(p.name for p in (work / "segmentation-manifest").iterdir()) == [
        *(f"bifusion-tiny-{fold}" for fold in ("a", "all", "base")),
        *(f"{network}-tiny-{fold}" for network in ("landmarks", "locator", "row") for fold in ("all", "base")),
    ]
    assert _names(work / "scans" / "anatomy") == ["00000.xz"]
    assert len(_names(work / "scans" / "label_maps")) == len(_names(work / "scans" / "labelled-manifest")) == 1
    made = Bundle(bundle)
    assert made.has(*NETWORKS)
    assert len(made.manifest["segmentation"]["vgg_share_a_level"]) == 5
    session = made.session(SEGMENTER)
    (probability,) = session.run(["probability"], {"slices": np.zeros((2, CHANNELS, 32, 48), np.float32)})
    assert probability.shape == (2, len(STRUCTURES), 32, 48)
    np.testing.assert_allclose(probability.sum(axis=1), 1.0, atol=1e-5)


def _names(folder: Path) -> list[str]:
    """Return the names of the scans in a folder, without the settings."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".json")
