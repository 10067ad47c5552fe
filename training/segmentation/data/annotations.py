"""Marks made by looking at the real CTs, once: body centres, levels, ribs and sacrum (``annotations.json``)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.types import Floats
from workers.locate.landmark_network import SacralPosition
from workers.locate.levels import LEVELS

ANNOTATIONS = Path(__file__).with_name("annotations.json")
"""The file of this repository."""
LEAST_PITCH_MM, LARGEST_PITCH_MM = 10.0, 45.0
"""Distances of neighbouring body centres: children's and crushed vertebrae to tall men's lower lumbar ones."""

KnownBy = Literal["ribs and sacrum", "ribs", "sacrum", "label map", "uncertain"]
"""What tells the levels: ribs counted, sacrum in view, both, a label map, or neither."""
Point = Annotated[tuple[float, float, float], Field(strict=False)]


class _Mark(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Body(_Mark):
    """One vertebral body that is in view.

    Attributes
    ----------
    level
        ``C3`` to ``L5``, ``S1``, or ``L6``'s place in the row by what `Annotation.known_by` says.
    centre_ras_mm
        Middle of the body between its endplates, to the nearest mm.
    whole
        Whether body and arch lie whole in the scan. False also where only a part of the body is there.
    rib_right, rib_left
        Whether a rib starts at it; None where that side is not in view or not clear.
    sacrum
        ``above`` the last vertebra, the one ``on`` the sacrum, or part ``of`` it; None where the sacrum is not in view.
    remark
        What is unusual: metal, cement, wedge.
    """

    level: str
    centre_ras_mm: Point
    whole: bool
    rib_right: bool | None = None
    rib_left: bool | None = None
    sacrum: SacralPosition | None = None
    remark: str = ""

    @property
    def centre(self) -> Floats:
        """(3,) mm RAS."""
        return np.array(self.centre_ras_mm)


class Annotation(_Mark):
    """What can be seen of the spine in one CT.

    Attributes
    ----------
    person
        Whose CT it is: two CTs may be of one person.
    ct
        Path in the data folder.
    sha256
        Of that file.
    known_by, note
        What tells the levels, and how sure they are.
    labels
        Path of a label map in the data folder; None without one.
    bodies
        From top to bottom, without a gap.
    """

    person: str
    ct: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    known_by: KnownBy
    note: str
    labels: str | None = None
    bodies: Annotated[tuple[Body, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check_row(self) -> Annotation:
        """Refuse unknown levels, gaps in the row and implausible distances."""
        unknown = [body.level for body in self.bodies if body.level not in LEVELS]
        if unknown:
            raise ValueError(f"{self.ct}: expected levels of {LEVELS[0]} to {LEVELS[-1]}, got {unknown}")
        ranks = [LEVELS.index(body.level) for body in self.bodies]
        if ranks != list(range(ranks[0], ranks[0] + len(ranks))):
            raise ValueError(f"{self.ct}: expected consecutive levels from the top, got {self.levels}")
        for upper, lower in zip(self.bodies, self.bodies[1:], strict=False):
            pitch = float(np.linalg.norm(upper.centre - lower.centre))
            if not LEAST_PITCH_MM <= pitch <= LARGEST_PITCH_MM or upper.centre[2] <= lower.centre[2]:
                between = f"{upper.level} and {lower.level}"
                expected = f"{between} {LEAST_PITCH_MM:g} to {LARGEST_PITCH_MM:g} mm apart, the upper one first"
                raise ValueError(f"{self.ct}: expected {expected}, got {pitch:.0f} mm")
        return self

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of the bodies, from top to bottom."""
        return tuple(body.level for body in self.bodies)

    @property
    def centres(self) -> Floats:
        """(n, 3) mm RAS: body centres from top to bottom."""
        return np.array([body.centre_ras_mm for body in self.bodies])

    @property
    def name(self) -> str:
        """Name of the CT's folder."""
        return Path(self.ct).parent.name

    def body(self, level: str) -> Body | None:
        """Return the body of a level; None where it is not in view."""
        return next((body for body in self.bodies if body.level == level), None)


def read_annotations(path: Path = ANNOTATIONS) -> tuple[Annotation, ...]:
    """Return what is marked of every real CT.

    Raises
    ------
    pydantic.ValidationError
        A row has gaps, an unknown level, an implausible distance or an unknown field.
    """
    return tuple(Annotation.model_validate(entry) for entry in json.loads(path.read_text(encoding="utf-8")))


def marked_people() -> tuple[str, ...]:
    """Return the people whose CTs are marked, each once, in the order of the file."""
    return tuple(dict.fromkeys(annotation.person for annotation in read_annotations()))


def write_annotations(annotations: tuple[Annotation, ...], path: Path = ANNOTATIONS) -> None:
    """Write the marks, one body a line, so that a change shows in a diff."""
    entries = []
    for annotation in annotations:
        head = annotation.model_dump(mode="json", exclude={"bodies"})
        lines = [f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
        bodies = [f"      {json.dumps(body.model_dump(mode='json'))}" for body in annotation.bodies]
        lines.append('    "bodies": [\n' + ",\n".join(bodies) + "\n    ]")
        entries.append("  {\n" + ",\n".join(lines) + "\n  }")
    path.write_text("[\n" + ",\n".join(entries) + "\n]\n", encoding="utf-8")


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
