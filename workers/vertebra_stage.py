"""The stage that gives one vertebra of a scan: as its label in the mask has it, or as the segmenter does."""

from __future__ import annotations

from dataclasses import dataclass

from app.contract.numbering import Numbering
from app.contract.params import JobParams, ReportedLevel
from workers.engine import engine
from workers.imaging.steps import Told, nobody, part_of
from workers.imaging.volume import Volume
from workers.locate.vertebra_finder import VertebraLocation
from workers.mask.cleaning import CleanMask
from workers.mask.segmentation_checks import accept_segmentation
from workers.mask_stage import Label, vertebra_of_label
from workers.outline.judgement import Evidence
from workers.scan import Scan
from workers.stage_clock import StageClock

FIRST_VIEW_SHARE = 0.8
"""Of the time of segmenting; the second view is a fifth of the work of the first (`Segmenter.second_view`)."""


@dataclass(frozen=True)
class Found:
    """One vertebra of a job, as its mask or the networks give it.

    Its level is "unknown" where neither the client nor the mask that was sent says it. `numbering` is what its label
    stands for, None without a mask. `evidence` is what the networks saw, None with one. `frames_apart_mm` is that of
    the mask that was sent (`workers.imaging.volume.Volume`).
    """

    vertebra: CleanMask
    level: ReportedLevel
    numbering: Numbering | None
    evidence: Evidence | None
    frames_apart_mm: float = 0.0


def find_vertebra(scan: Scan, params: JobParams, clock: StageClock) -> Found:
    """Return the vertebra of a level as its label has it, or as the segmenter does, and what told it."""
    where = scan.where(params.vertebra_sought)
    if isinstance(where, Label):
        with clock.stage("mask"):
            vertebra = vertebra_of_label(where, scan.ct, scan.grid)
        return Found(vertebra, where.level, where.numbering, None, where.frames_apart_mm)
    with engine().segmenting, clock.stage("segment") as told:
        vertebra, evidence = segment_vertebra(scan.ct, where, told)
    return Found(vertebra, params.vertebra_sought, None, evidence)


def segment_vertebra(ct: Volume, location: VertebraLocation, told: Told = nobody) -> tuple[CleanMask, Evidence]:
    """Return the clean, whole, plausible vertebra of a location (paper section II.B), and what the networks saw."""
    finder = engine().finder
    first = finder.segment(ct, location, part_of(told, 0.0, FIRST_VIEW_SHARE))
    second = finder.second_view(ct, location, part_of(told, FIRST_VIEW_SHARE, 1.0))
    evidence = Evidence(ct, location, first, second)
    return accept_segmentation(evidence.first, location, ct), evidence
