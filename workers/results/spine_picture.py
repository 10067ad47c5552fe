"""``spine.png`` and ``candidate-1.png`` …: the row of vertebral bodies seen from the side, and each candidate near by.

A person sees at once which bodies were found, how they were named, and which one is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.contract.segmentation import Alternative
from models.types import Floats
from workers.imaging.sagittal_surface import SagittalWindow, extent
from workers.imaging.volume import Volume
from workers.locate.named_row import NamedRow
from workers.results.captions import RESEARCH_NOTE
from workers.results.pen import INK, MUTED, Pen, TextStyle
from workers.results.sagittal_panel import BodyMark, SagittalPanel, letter, mark_bodies, paint, save

MOST_PIXELS_PER_MM = 2.4
"""A larger picture of a short scan would show no more."""
MOST_HEIGHT, MOST_WIDTH = 1140, 480
"""Of the part that shows the CT, pixels: names stay readable on a telephone, 390 pixels wide."""
IN_FRONT_MM, BEHIND_MM, BEYOND_MM = 84.0, 74.0, 60.0
"""Shown before, behind, above and below the bodies: room for the names; spinous processes; the next two bodies."""

CANDIDATE_MM = 120.0
"""Side of a candidate's picture: it and both neighbours."""
CANDIDATE_PIXELS_PER_MM = 3.6

SAME_MM = 10.0
"""A body is the one meant where their centres are no further apart: less than half the distance of two bodies."""
LEAST_SURE = 0.5
"""A question mark follows a level of less probability; alone it stands for no level at all."""
TEXT_INSET = 14
"""From the right edge of the picture to the end of the text in the strip below."""
TEXT_ROWS = (8, 32)
"""Rows of that text, from the strip's upper edge."""
SAID, NOTE = TextStyle(18, INK, bold=True), TextStyle(14, MUTED)


def write_spine_picture(path: Path, ct: Volume, row: NamedRow, chosen: Sequence[Floats]) -> None:
    """Draw the CT along the row of bodies, each with its level and how probable that is.

    Parameters
    ----------
    path
        PNG to write, at most 1200 pixels high.
    ct
        The scan.
    row
        The bodies; where there is none, the middle of the scan is shown.
    chosen
        (3,) mm RAS of each vertebra that was chosen.
    """
    count = len(row.bodies)
    found = {0: "no vertebra recognised", 1: "one vertebral body"}.get(count, f"{count} vertebral bodies")
    _write(path, panel_of_row(ct, row), (ct, row), chosen, (found, RESEARCH_NOTE))


def write_candidate_pictures(
    folder: Path, ct: Volume, row: NamedRow, vertebra: str, candidates: Sequence[Alternative]
) -> None:
    """Draw each candidate with its neighbours and the seed that chooses it: ``candidate-1.png`` is the first.

    Parameters
    ----------
    folder
        Where to write; it exists.
    ct, row
        The scan and its bodies.
    vertebra
        Level asked for.
    candidates
        Bodies of the row that may be it, in the order in which the error lists them.
    """
    for number, candidate in enumerate(candidates, start=1):
        centre = np.array(candidate.centre_ras_mm)
        half = 0.5 * CANDIDATE_MM
        window = SagittalWindow(centre[1] + half, centre[2] + half, CANDIDATE_MM, CANDIDATE_MM)
        panel = SagittalPanel(window, CANDIDATE_PIXELS_PER_MM)
        seed = ", ".join(f"{v:.0f}" for v in centre)
        text = (f"{vertebra}? {candidate.probability:.0%}", f"seed {seed}")
        _write(folder / f"candidate-{number}.png", panel, (ct, row), [centre], text)


def panel_of_row(ct: Volume, row: NamedRow) -> SagittalPanel:
    """Return what ``spine.png`` shows: the bodies, no further than the scan reaches; all of the scan without any."""
    low, high = extent(ct)
    front, behind, top, bottom = high[1], low[1], high[2], low[2]
    if row.bodies:
        front, behind = row.centres[:, 1].max() + IN_FRONT_MM, row.centres[:, 1].min() - BEHIND_MM
        top = min(top, row.centres[:, 2].max() + BEYOND_MM)
        bottom = max(bottom, row.centres[:, 2].min() - BEYOND_MM)
    window = SagittalWindow(float(front), float(top), float(front - behind), float(top - bottom))
    return SagittalPanel(window, min(MOST_PIXELS_PER_MM, MOST_HEIGHT / window.height, MOST_WIDTH / window.depth))


def _write(
    path: Path, panel: SagittalPanel, scene: tuple[Volume, NamedRow], chosen: Sequence[Floats], text: tuple[str, str]
) -> None:
    """Draw and write one picture of a CT with its row; `text` stands in the strip below."""
    ct, row = scene
    curve = row.centres if row.bodies else np.mean(extent(ct), axis=0)[None]
    image = paint(ct, curve, panel)
    pen = Pen(image)
    mark_bodies(pen, panel, _marks(row, chosen))
    letter(pen, panel)
    for line, below, style in zip(text, TEXT_ROWS, (SAID, NOTE), strict=True):
        pen.write((panel.width - TEXT_INSET, panel.height + below), line, style, anchor="ra")
    save(image, path)


def _marks(row: NamedRow, chosen: Sequence[Floats]) -> list[BodyMark]:
    """Return a mark for each body of a row; its name is its level and how probable that is."""
    marks = []
    for i, centre in enumerate(row.centres):
        level, probability = row.level_of(i)
        doubt = "" if probability >= LEAST_SURE else "?"
        name = f"{level}{doubt} {probability:.0%}" if level else "?"
        marks.append(BodyMark(centre, name, any(np.linalg.norm(centre - each) < SAME_MM for each in chosen)))
    return marks
