"""The trained networks of every fold, as the workers' classes that run them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training.segmentation.fitting.fit_segmenter import build_segmenter
from training.segmentation.fitting.folds import ALL, BASE, Fold
from training.segmentation.fitting.training_loop import CURVES, TRAINED, load_trained
from training.segmentation.networks.landmark_net import LANDMARK_WIDTHS, LandmarkNet
from training.segmentation.networks.locator_net import LOCATOR_WIDTHS, LocatorNet
from training.segmentation.networks.row_net import ROW_WIDTHS, RowNet
from training.segmentation.networks.torch_session import TorchSession
from training.segmentation.networks.unets import BiFusionUNet, Kind
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.row_network import RowNetwork
from workers.locate.segmenter import Segmenter


@dataclass(frozen=True)
class TrainedFolds:
    """Reads the networks of folds. Reading one raises `RuntimeError` where its training is not finished.

    Attributes
    ----------
    work
        Folder of the trainings.
    profile
        Of their widths.
    """

    work: Path
    profile: str

    def has(self, network: str, fold: Fold) -> bool:
        """Whether a fold has a checkpoint, be it finished or not."""
        return self._path(network, fold).exists()

    def segmenter(self, kind: Kind, fold: Fold) -> Segmenter:
        """Return a fold's segmenter."""
        network = load_trained(build_segmenter(kind, self.profile), self._path(kind, fold))
        return Segmenter(TorchSession(network))

    def locator(self, fold: Fold) -> Locator:
        """Return a fold's locator."""
        network = load_trained(LocatorNet(LOCATOR_WIDTHS[self.profile]), self._path("locator", fold))
        return Locator(TorchSession(network))

    def row(self, fold: Fold) -> RowNetwork:
        """Return a fold's row network."""
        return RowNetwork(TorchSession(load_trained(RowNet(ROW_WIDTHS[self.profile]), self._path("row", fold))))

    def landmarks(self, fold: Fold) -> LandmarkNetwork:
        """Return a fold's landmark network."""
        network = load_trained(LandmarkNet(LANDMARK_WIDTHS[self.profile]), self._path("landmarks", fold))
        return LandmarkNetwork(TorchSession(network))

    def fusion_weights(self) -> list[float]:
        """Return the share of the VGG features at each resolution in the shipped network; none where it is missing."""
        if not self.has("bifusion", ALL):
            return []
        network = load_trained(build_segmenter("bifusion", self.profile), self._path("bifusion", ALL))
        assert isinstance(network, BiFusionUNet)
        return network.fusion_weights()

    def curve(self, network: str) -> list[dict[str, float]]:
        """Return the curves of a base's training; none where it is missing."""
        path = self._path(network, BASE).with_name(CURVES)
        return list(json.loads(path.read_text())) if path.exists() else []

    def _path(self, network: str, fold: Fold) -> Path:
        return self.work / f"{network}-{self.profile}-{fold.name}" / TRAINED
