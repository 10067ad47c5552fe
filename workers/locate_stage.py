"""The stage that finds the vertebra in a CT alone, and leaves pictures of what the networks saw."""

from __future__ import annotations

from pathlib import Path

from app.contract.errors import VertebraNotFound, VertebraTruncated
from app.contract.params import JobParams
from app.contract.segmentation import Alternative
from workers.engine import engine
from workers.imaging.volume import Volume
from workers.locate.vertebra_finder import VertebraLocation
from workers.results.publish import SPINE_PICTURE
from workers.results.spine_picture import write_candidate_pictures, write_spine_picture


def locate_vertebra(ct: Volume, params: JobParams, out_dir: Path) -> VertebraLocation:
    """Return where the vertebra is: find the row of bodies, then choose the one that the job asks for.

    The picture of the row is drawn here, so that a job that fails in a later stage has it too.

    Parameters
    ----------
    ct, params
        The scan, and what the client asked for.
    out_dir
        Existing folder. Left in it: ``spine.png``, the row, with the vertebra that was chosen, if the job wants it;
        where none was, in any case, and ``candidate-1.png`` … for each of the error's ``alternatives``, in their order.

    Raises
    ------
    VertebraNotFound, VertebraTruncated
        As `workers.locate.vertebra_finder.VertebraFinder.locate`.
    """
    finder = engine().finder
    row = finder.row(ct)
    try:
        location = finder.locate(ct, row, params.vertebra_sought, params.seed_ras_mm, params.on_uncertain_level)
    except (VertebraNotFound, VertebraTruncated) as error:
        candidates = [Alternative.model_validate(candidate) for candidate in error.extra.get("alternatives", [])]
        write_spine_picture(out_dir / SPINE_PICTURE, ct, row, None)
        write_candidate_pictures(out_dir, ct, row, params.vertebra_sought, candidates)
        raise
    if params.wants(SPINE_PICTURE):
        write_spine_picture(out_dir / SPINE_PICTURE, ct, location.row, location.centre)
    return location
