"""Vertebrae of the real CTs at hand, meshed: from reference masks, or from outlines of the networks."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.contract.params import JobParams
from bench.bone import DATA, TOTALSEGMENTATOR_L1, mesh_of
from models.types import Floats
from workers.engine import engine
from workers.imaging.volume import Volume, read_ct, read_mask
from workers.mask.label_piece import cut_out
from workers.pipeline import morph, surface_of
from workers.scan import read_scan
from workers.stage_clock import shared_clock
from workers.vertebra_stage import find_vertebra

LEVELS = ("L1", "L2", "L3", "L4")
EXAMPLE, CROP = "ct/totalsegmentator_example", "ct/tptbox_L3"
VERSE_L3 = 22


@dataclass(frozen=True)
class Subject:
    """A vertebra of a real CT: its name, level, mesh (n, 3), mm, and CT."""

    name: str
    level: str
    points: Floats
    ct: Volume


@cache
def with_mask() -> list[Subject]:
    """Return the levels of the abdominal CT with a mask, and the L3 of the spine alone."""
    ct, labels = read_ct(DATA / EXAMPLE / "ct.nii.gz"), read_mask(DATA / EXAMPLE / "vertebrae.nii.gz")
    example = [
        Subject("TotalSegmentator's example", level, mesh_of(engine(), cut_out(labels, TOTALSEGMENTATOR_L1 - k)), ct)
        for k, level in enumerate(LEVELS)
    ]
    crop, parts = read_ct(DATA / CROP / "ct.nii.gz"), read_mask(DATA / CROP / "vertebrae.nii.gz")
    return [*example, Subject("TPTBox, spine alone", "L3", mesh_of(engine(), cut_out(parts, VERSE_L3)), crop)]


@cache
def outlined(folder: str, name: str, level: str) -> Subject:
    """Return a level that the networks outline."""
    params = JobParams.model_validate({"vertebra": level, "on_uncertain_level": "flag"})
    path = DATA / folder / "ct.nii.gz"
    clock = shared_clock(lambda *_: None, 1, "segment")
    with tempfile.TemporaryDirectory() as scratch:
        scan = read_scan(path, None, params, Path(scratch), clock)
        found = find_vertebra(scan, params, clock)
    surface = surface_of(found.vertebra, found.evidence)
    return Subject(name, level, morph(found.vertebra, surface, params.vertebra_sought).points, scan.ct)
