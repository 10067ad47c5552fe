"""Vertebrae of three people on which `bench.bone` tries meshes, points of sampling and strains.

The published L2 has its own density. The CTs of the others have the default line from HU to density, so a change of the
internal calibration does not move what is told here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.types import Floats
from workers.bone.calibration import Calibration
from workers.bone.elements import ElementBone
from workers.engine import engine
from workers.fem.loads import cranio_caudal_axis
from workers.geometry.surface import Surface
from workers.imaging.volume import Volume


@dataclass(frozen=True)
class Subject:
    """A vertebra of a CT.

    Attributes
    ----------
    name
        Of the CT, and the level.
    points
        (n, 3) float64, mm: the subject's mesh.
    ct, calibration
        HU, or density itself, and the line to mg/cm^3 of K2HPO4.
    """

    name: str
    points: Floats
    ct: Volume
    calibration: Calibration

    @cached_property
    def bone(self) -> ElementBone:
        """Of each element of its mesh."""
        hounsfield = engine().bone_sampler.hounsfield(self.points, self.ct)
        return ElementBone.of(hounsfield, self.calibration, "kopperdahl_2002")

    @property
    def young_mpa(self) -> Floats:
        """(m,) of each element."""
        return np.asarray(self.bone.young_mpa, np.float64)

    @property
    def height_mm(self) -> float:
        """From the middle of one endplate to that of the other, along the axis."""
        template = engine().template
        top, bottom = Surface(self.points, template.superior), Surface(self.points, template.inferior)
        axis = cranio_caudal_axis(self.points, template.superior, template.inferior)
        return float((top.centroid - bottom.centroid) @ axis)
