"""Locate a vertebra in a CT and segment it (paper section II.B); holds the four networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.contract.params import OnUncertainLevel, Vertebra
from models.types import Floats
from workers.imaging.steps import Told, nobody, part_of
from workers.imaging.volume import Volume
from workers.locate.choice import LevelDecision, choose_vertebra
from workers.locate.evidence import collect_evidence
from workers.locate.landmark_network import LandmarkNetwork
from workers.locate.locator import Locator
from workers.locate.named_row import NamedRow
from workers.locate.row_frame import row_frame
from workers.locate.row_network import RowNetwork
from workers.locate.row_search import find_row
from workers.locate.seed_search import find_body_at_seed
from workers.locate.segmenter import Segmenter
from workers.locate.spine_axis import trace_spine_axes

LOCATOR_SHARE, ROW_SHARE = 0.45, 0.8
"""Share of the time for a row after which the locator and the row network are done; the landmarks take the rest. On
four real CTs it was 28 to 67 %, and 66 to 87 %."""


@dataclass(frozen=True)
class VertebraLocation:
    """Where a vertebra is.

    Attributes
    ----------
    vertebra
        Level asked for.
    centre
        (3,) mm RAS, of its body.
    row
        The bodies found, with their levels.
    decision
        How the level was chosen; None where the client sent a seed.
    seed
        (3,) mm RAS, as sent; None without one.
    """

    vertebra: Vertebra
    centre: Floats
    row: NamedRow
    decision: LevelDecision | None = None
    seed: Floats | None = None

    @property
    def frame(self) -> Floats:
        """(3, 3) rotation of the vertebra's frame, see `row_frame`."""
        return row_frame(self.row.sure_centres, self.centre)


class VertebraFinder:
    """Locates and segments vertebrae.

    Parameters
    ----------
    locator, row_network, landmarks, segmenter
        The four networks.
    """

    def __init__(
        self, locator: Locator, row_network: RowNetwork, landmarks: LandmarkNetwork, segmenter: Segmenter
    ) -> None:
        self.locator, self.row_network = locator, row_network
        self.landmarks, self.segmenter = landmarks, segmenter

    def row(self, ct: Volume, told: Told = nobody) -> NamedRow:
        """Return the bodies of the spine from top to bottom, with their evidence; the same for every level."""
        maps = self.locator.maps(ct, part_of(told, 0.0, LOCATOR_SHARE))
        axes = trace_spine_axes(maps.mark, maps.affine)
        bodies = find_row(ct, axes, self.row_network, part_of(told, LOCATOR_SHARE, ROW_SHARE))
        evidence = collect_evidence(maps, bodies, partial(self.landmarks.at, ct), part_of(told, ROW_SHARE, 1.0))
        return NamedRow(evidence)

    def locate(
        self,
        ct: Volume,
        row: NamedRow,
        vertebra: Vertebra,
        seed_ras_mm: Sequence[float] | None = None,
        on_uncertain_level: OnUncertainLevel = "refuse",
    ) -> VertebraLocation:
        """Return where the vertebra is: the one that holds the seed, else the one of that level.

        Parameters
        ----------
        ct, row
            The scan, and its bodies as `row` returns them.
        vertebra, seed_ras_mm, on_uncertain_level
            What the client asked for, as `app.contract.params.JobParams`.

        Raises
        ------
        VertebraNotFound
            It is not in the scan, the evidence does not decide which body it is, or no vertebra holds the seed.
        VertebraTruncated
            The scan ends where it must be.
        """
        if seed_ras_mm is not None:
            seed = np.array(seed_ras_mm)
            centre, row = find_body_at_seed(ct, self.row_network, self.segmenter, row, seed)
            return VertebraLocation(vertebra, centre, row, seed=seed)
        decision = choose_vertebra(row, ct, vertebra, on_uncertain_level)
        return VertebraLocation(vertebra, decision.centre, row, decision)

    def segment(self, ct: Volume, location: VertebraLocation, told: Told = nobody) -> Volume:
        """Return the probability (i, j, k) float32 that a voxel belongs to the vertebra, in the vertebra's frame."""
        return self.segmenter.probability(ct, location.centre, turn=location.frame, told=told)

    def second_view(self, ct: Volume, location: VertebraLocation, told: Told = nobody) -> Volume:
        """Return the same probability about the body alone, seen in a turned frame: see `Segmenter.second_view`."""
        return self.segmenter.second_view(ct, location.centre, location.frame, told)
