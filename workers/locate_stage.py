"""The stage that finds the vertebrae in a CT alone, and leaves pictures of what the networks saw."""

from __future__ import annotations

from pathlib import Path

from app.contract.errors import VertebraError, VertebraNotFound, VertebraTruncated
from app.contract.params import JobParams, Vertebra
from app.contract.segmentation import Alternative
from workers.each_level import of_each_level
from workers.engine import engine
from workers.imaging.steps import Told, nobody
from workers.imaging.volume import Volume
from workers.level_folder import level_folder
from workers.locate.named_row import NamedRow
from workers.locate.vertebra_finder import VertebraLocation
from workers.results.publish import SPINE_PICTURE
from workers.results.spine_picture import write_candidate_pictures, write_spine_picture


def locate_vertebrae(
    ct: Volume, params: JobParams, out_dir: Path, told: Told = nobody
) -> dict[Vertebra, VertebraLocation | VertebraError]:
    """Return where each level is that the job asks for, or why it is refused.

    The row of bodies is found once, then each level is chosen in it. The picture of the row is drawn here, so that a
    job that fails in a later stage has it too.

    Parameters
    ----------
    ct, params
        The scan, and what the client asked for.
    out_dir
        Existing folder. Left in it: ``spine.png``, the row, with the vertebrae that were chosen, if the job wants it,
        or in any case where none was; and in the folder of a level that is refused ``candidate-1.png`` … for each of
        the error's ``alternatives``, in their order.
    told
        Told the share that is done, as the networks go on.

    Raises
    ------
    VertebraError
        Every level is refused: of a job of one level its own error, as `VertebraFinder.locate` raises it.
    """
    row = engine().finder.row(ct, told)
    chosen: list[VertebraLocation] = []

    def locate(of_level: JobParams) -> VertebraLocation:
        folder = level_folder(out_dir, of_level.vertebra_sought, params)
        chosen.append(_locate(ct, row, of_level, folder))
        return chosen[-1]

    try:
        found = of_each_level(params, locate)
    except VertebraError:
        write_spine_picture(out_dir / SPINE_PICTURE, ct, row, [])
        raise
    if params.wants(SPINE_PICTURE):
        shown = chosen[0].row  # about a seed another row may have been found
        write_spine_picture(out_dir / SPINE_PICTURE, ct, shown, [location.centre for location in chosen])
    return found


def _locate(ct: Volume, row: NamedRow, params: JobParams, folder: Path) -> VertebraLocation:
    """Return where a level is in the row; draw the candidates into its folder where it is refused."""
    level = params.vertebra_sought
    try:
        return engine().finder.locate(ct, row, level, params.seed_ras_mm, params.on_uncertain_level)
    except (VertebraNotFound, VertebraTruncated) as error:
        candidates = [Alternative.model_validate(candidate) for candidate in error.extra.get("alternatives", [])]
        if candidates:
            folder.mkdir(exist_ok=True)
        write_candidate_pictures(folder, ct, row, level, candidates)
        raise
