"""The whole training by one command, on few and small data: its result is made once in a run of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from models.bundle import DEFAULT_BUNDLE, LANDMARKS, LOCATOR, NETWORKS, ROW, SEGMENTER
from training.__main__ import main
from training.segmentation.fitting import onnx_export
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet
from training.segmentation.networks.row_net import ROW_WIDTHS, RowNet
from training.segmentation.networks.unets import UNET_WIDTHS, build
from workers.imaging.network_input import CHANNELS, STRUCTURES
from workers.locate.landmark_network import SIDE_SHAPE
from workers.locate.row_network import ROW_SHAPE
from workers.mesh.subject_mesh import MeshMorpher

COMMAND = (
    "x segmentation --data {data} --out {bundle} --work {work} --manifest {manifest} --crops 1 --landmarks 1 --trunks 1"
    " --anatomy 1 --rows 2 --profile tiny --steps 2 --networks locator row landmarks bifusion --jobs 1"
)
BUNDLE, WORK, STATES = "bundle", "work", "states"
"""Folders of what is made: the bundle, what the training keeps, and the networks before and after their export."""
INPUTS = {
    "segmenter": (2, CHANNELS, 64, 64),
    "locator": (1, 1, 32, 32, 32),
    "landmarks": (4, 1, *SIDE_SHAPE),
    "row": (1, 1, *ROW_SHAPE, 16),
}
"""Shape of an input of each network."""


def train_by_one_command(folder: Path, data: Path, verse: Path, morpher: MeshMorpher) -> None:
    """Run the command into a folder: `BUNDLE`, `WORK` and `STATES`."""
    shutil.copytree(DEFAULT_BUNDLE, folder / BUNDLE)
    for name in NETWORKS:
        (folder / BUNDLE / name).unlink(missing_ok=True)
    (folder / STATES).mkdir()
    command = COMMAND.format(data=data, bundle=folder / BUNDLE, work=folder / WORK, manifest=manifest_of(verse, folder))
    with pytest.MonkeyPatch.context() as patch:
        _take_few_sources(patch, morpher)
        for name, shape in INPUTS.items():
            export = f"export_{name}"
            patch.setattr(onnx_export, export, _watched(getattr(onnx_export, export), name, shape, folder / STATES))
        patch.setattr("sys.argv", command.split())
        main()


def export_networks(folder: Path) -> None:
    """Export networks that learned nothing into a folder, as the command does: `BUNDLE` and `STATES`, without data."""
    (folder / BUNDLE).mkdir()
    (folder / STATES).mkdir()
    torch.manual_seed(0)
    networks = {
        "segmenter": (build("bifusion", CHANNELS, UNET_WIDTHS["tiny"], len(STRUCTURES)), SEGMENTER),
        "locator": (LocatorNet(LOCATOR_WIDTHS["tiny"]), LOCATOR),
        "landmarks": (LandmarkNet(LANDMARK_WIDTHS["tiny"]), LANDMARKS),
        "row": (RowNet(ROW_WIDTHS["tiny"]), ROW),
    }
    for name, (network, graph) in networks.items():
        export = _watched(getattr(onnx_export, f"export_{name}"), name, INPUTS[name], folder / STATES)
        export(network, folder / BUNDLE / graph)


def _watched(export: Callable[..., None], name: str, shape: tuple[int, ...], states: Path) -> Callable[..., None]:
    """Return an export that gives the network other scales first, and keeps its state before and after."""

    def watched(network: nn.Module, path: Path) -> None:
        give_scales(network, *shape)
        before = {key: value.clone() for key, value in network.state_dict().items()}
        export(network, path)
        torch.save({"before": before, "after": network.state_dict()}, states / f"{name}.pt")

    return watched


def give_scales(network: nn.Module, *shape: int) -> None:
    """Give a network statistics and scales as after a long training, in place of almost ones and zeros."""
    torch.manual_seed(1)
    network.train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d | nn.InstanceNorm3d):
                module.weight.uniform_(0.6, 1.6)
                module.bias.uniform_(-0.3, 0.3)
                module.reset_running_stats()
                module.momentum = None  # the mean of the batches, all of them counted alike
        for _ in range(3):
            network(torch.randn(*shape))
    network.eval()


def _take_few_sources(patch: pytest.MonkeyPatch, morpher: MeshMorpher) -> None:
    """One real vertebra, one scan of each kind, coarse and few slices: the whole chain without its minutes."""
    from training.segmentation.data import label_map_crops, label_map_trunks, source_spines, synthetic_scans
    from training.segmentation.fitting import fit_landmarks, fit_locator, fit_row, fit_segmenter
    from training.segmentation.synthesis import scanner
    from training.shapes import registration
    from training.shapes.sources import Source

    sources = (Source("visible_human", "L5", "shapes/visible_human_male/L5.ply"),)
    patch.setattr(source_spines, "SOURCES", sources)
    patch.setattr(source_spines, "read_spines", partial(source_spines.read_spines, sources=sources))
    for module in (source_spines, registration):
        patch.setattr(module, "MeshMorpher", lambda *_: morpher)
    for module in (label_map_crops, label_map_trunks):
        patch.setattr(module, "LABEL_MAPS", label_map_crops.LABEL_MAPS[1:])
    patch.setattr(label_map_trunks, "LABEL_MAP_TRUNKS", 1)
    patch.setattr(label_map_crops, "LABEL_MAP_LEVELS", ("L4",))
    patch.setattr(synthetic_scans, "IMAGES", 1)
    for module, name in (
        (fit_landmarks, "BATCHES"),
        (fit_row, "BATCHES"),
        (fit_locator, "VOLUMES"),
        (fit_segmenter, "BATCHES"),
    ):
        patch.setattr(module, f"VALIDATION_{name}", 1)
    patch.setattr(fit_segmenter, "VALIDATION_SLICES", 4)
    patch.setattr(fit_segmenter, "WINDOW_SHAPE", (128, 128, 4))
    patch.setattr(scanner, "LEAST_PIXEL_MM", 3.0)


def manifest_of(verse: Path, folder: Path) -> Path:
    """Write the list of the lumbar vertebrae of the person in a VerSe folder into another folder."""
    path, (ct,), (mask,) = folder / "cases.csv", verse.rglob("*_ct.nii.gz"), verse.rglob("*_msk.nii.gz")
    lines = [f"{ct},{mask},verse,L{number},a" for number in range(1, 6)]
    path.write_text("\n".join(["ct,mask,convention,level,person", *lines]))
    return path
