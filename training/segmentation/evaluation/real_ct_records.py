"""What was asked of the real CTs and answered, as it is kept between runs and shown on the page."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.artifacts.files import atomic_path
from training.segmentation.evaluation.real_ct_requests import Verdict


@dataclass(frozen=True)
class LevelRecord:
    """A request for a level.

    Attributes
    ----------
    ct, level
        The CT's folder, and the level asked for.
    mode
        ``on_uncertain_level`` of the request.
    verdict
        By the annotation.
    away_mm
        From the annotated body centre to the answer's; None without either.
    answer
        Confidence and evidence, or the reason of the refusal.
    seconds
        Wall-clock time.
    told
        Expected error of the field that the job tells, % of the peak, by its causes; None where it tells none.
    score
        The answer against the reference mask, as `reference_scores.ReferenceScore`; None without a reference.
    """

    ct: str
    level: str
    mode: str
    verdict: Verdict
    away_mm: float | None
    answer: str
    seconds: float
    told: dict[str, float | None] = field(default_factory=dict)
    score: dict[str, Any] | None = None


@dataclass(frozen=True)
class SeedRecord:
    """A request with a seed at a place in an annotated vertebra."""

    ct: str
    level: str
    place: str
    verdict: Verdict
    away_mm: float | None
    answer: str


@dataclass(frozen=True)
class CtRecords:
    """Requests on one CT; `complete` where none is missing."""

    ct: str
    levels: list[LevelRecord]
    seeds: list[SeedRecord]
    complete: bool = False

    def has(self, request: tuple[str, str]) -> bool:
        """Whether a level was asked for in a mode, or a seed was sent at a place of a level."""
        done = {(record.level, record.mode) for record in self.levels} | {(s.level, s.place) for s in self.seeds}
        return request in done

    def save(self, path: Path) -> None:
        """Write a JSON file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            part.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def read_records(path: Path) -> CtRecords:
    """Read what `CtRecords.save` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    levels = [LevelRecord(**record) for record in content["levels"]]
    seeds = [SeedRecord(**record) for record in content["seeds"]]
    return CtRecords(content["ct"], levels, seeds, content["complete"])
