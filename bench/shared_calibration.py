"""One calibration for all levels of a CT, from the tissues beside all of them: what jobs do not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.contract.params import JobParams
from bench.real_vertebrae import Subject
from workers.bone.attenuation import k2hpo4_slope
from workers.bone.internal import fit_internal
from workers.bone.references import Reference, References
from workers.bone_stage import find_bone
from workers.stage_clock import StageClock


def shared_densities(subjects: Sequence[Subject], params: JobParams) -> list[dict[str, Any]]:
    """Return the trabecular densities, mg/cm^3, of the levels of a CT by references averaged over them."""
    bones = [find_bone(one.points, one.ct, params, StageClock(lambda *_: None)) for one in subjects]
    fits = [bone.elements.calibration.internal for bone in bones if bone]
    fit = fit_internal(averaged([fit.references for fit in fits if fit]), "michalski_2020")
    rows: list[dict[str, Any]] = []
    for subject, bone in zip(subjects, bones, strict=True):
        assert bone is not None
        hounsfield = bone.trabecular.hounsfield
        densities = {
            "density": float(fit.density(np.array(hounsfield))),
            "water_line": k2hpo4_slope(fit.effective_kev) * hounsfield,
        }
        rows.append({"name": subject.name, "level": subject.level, **densities})
    return rows


def averaged(levels: list[References]) -> References:
    """Return the mean of each tissue over levels, by volume."""
    tissues = {tissue: [found[tissue] for found in levels if tissue in found] for tissue in levels[0]}
    return {
        tissue: Reference(
            float(np.average([one.hounsfield for one in found], weights=[one.volume_cm3 for one in found])),
            found[0].spread,
            sum(one.volume_cm3 for one in found),
        )
        for tissue, found in tissues.items()
    }
