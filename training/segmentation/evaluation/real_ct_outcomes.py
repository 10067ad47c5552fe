"""Ask every annotated real CT for T11 to L5, and with seeds, as a job does; each answer is kept on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from tqdm import tqdm

from app.contract.params import JobParams, OnUncertainLevel, Vertebra
from models.types import Floats
from training.segmentation.data.annotation_checks import check_annotation
from training.segmentation.data.annotations import Annotation, Body
from training.segmentation.data.real_cts import data_folder_cts
from training.segmentation.evaluation.contact_sheet import draw_tile
from training.segmentation.evaluation.real_ct_records import CtRecords, LevelRecord, SeedRecord, read_records
from training.segmentation.evaluation.real_ct_requests import Answer, ask, judge, told_error
from training.segmentation.evaluation.reference_scores import score_answer
from training.segmentation.evaluation.seed_places import seeds_in_arch, seeds_in_body, vertebra_frame
from workers.engine import engine
from workers.imaging.volume import Volume

LEVELS_ASKED: tuple[Vertebra, ...] = get_args(Vertebra)
"""All levels that the service offers."""


@dataclass(frozen=True)
class AnnotatedCt:
    """A CT with its annotation, and reference masks (0 or 1) by level where there is a label map."""

    annotation: Annotation
    volume: Volume
    references: dict[str, Volume]


def read_annotated(data: Path, annotation: Annotation) -> AnnotatedCt:
    """Read and check a CT, and the masks of its whole vertebrae."""
    volume, references = check_annotation(data, annotation), {}
    for source in data_folder_cts(data):
        if source.ct == data / annotation.ct:
            _, labels = source.read()
            for level in source.whole:
                mask = np.isin(labels.voxels, source.labels[level]).astype(np.uint8)
                references[level] = Volume(mask, labels.affine)
    return AnnotatedCt(annotation, volume, references)


def evaluate_ct(data: Path, annotation: Annotation, folder: Path, flag: bool, seeds: bool) -> CtRecords:
    """Return all answers on one CT; those that an earlier run has written into `folder` are read.

    Parameters
    ----------
    data
        The data folder.
    annotation
        What is known of the CT.
    folder
        Of records and tiles; one for each version of the code and the networks.
    flag
        Ask again with ``on_uncertain_level="flag"`` where a level is refused.
    seeds
        Ask with seeds too.
    """
    path = folder / f"{annotation.name}{'-flag' if flag else ''}{'' if seeds else '-levels'}.json"
    records = read_records(path) if path.exists() else CtRecords(annotation.name, [], [])
    if records.complete:
        return records
    ct = read_annotated(data, annotation)
    for level in _ask_levels(ct, records, folder, flag):
        records.levels.append(level)
        records.save(path)
    for seed in _ask_seeds(ct, records) if seeds else ():
        records.seeds.append(seed)
        records.save(path)
    records = replace(records, complete=True)
    records.save(path)
    return records


def _ask_levels(ct: AnnotatedCt, records: CtRecords, folder: Path, flag: bool) -> Iterator[LevelRecord]:
    """Yield the answers that are missing; a level that is answered is not asked for again with the flag."""
    for level in tqdm(LEVELS_ASKED, desc=ct.annotation.name, disable=None):
        modes: tuple[OnUncertainLevel, ...] = ("refuse", "flag") if flag else ("refuse",)
        for mode in modes:
            answered = any(record.level == level and record.told for record in records.levels)
            if not answered and not records.has((level, mode)):
                answer = ask(ct.volume, JobParams(vertebra=level, on_uncertain_level=mode))
                yield _record(ct, level, mode, answer, folder)


def _record(ct: AnnotatedCt, level: Vertebra, mode: OnUncertainLevel, answer: Answer, folder: Path) -> LevelRecord:
    name, centre = ct.annotation.name, answer.centre
    verdict, away = judge(centre, ct.annotation.body(level))
    if answer.mask is None or centre is None or answer.section is None:
        return LevelRecord(name, level, mode, verdict, away, answer.refusal, answer.seconds)
    title = f"{name} {level}: {verdict}"
    draw_tile(ct.volume, answer.mask, centre, title).save(_tile(folder, name, level))
    score = None
    if level in ct.references and verdict == "right":
        assert answer.points is not None
        assert answer.stress is not None
        predicted = answer.stress.field.von_mises
        score = asdict(score_answer(engine(), answer.mask, answer.points, predicted, ct.references[level]))
    verified = {True: "verified", False: "not verified", None: "unknown"}[answer.section.level_verified]
    text = f"confidence {answer.section.confidence or 0.0:.2f}, by ribs {answer.section.level_by_ribs}, by sacrum "
    text += f"{answer.section.level_by_sacrum}, level {verified}"
    return LevelRecord(name, level, mode, verdict, away, text, answer.seconds, told_error(answer), score)


def _tile(folder: Path, name: str, level: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}_{level}.png"


def tiles_of(records: list[CtRecords], folder: Path) -> list[Path]:
    """Return the files of the tiles of all answers, in the order of the records."""
    paths = [_tile(folder, record.ct, record.level) for ct in records for record in ct.levels if record.told]
    return list(dict.fromkeys(paths))


def _ask_seeds(ct: AnnotatedCt, records: CtRecords) -> Iterator[SeedRecord]:
    for level in LEVELS_ASKED:
        body = ct.annotation.body(level)
        if body is None or not body.whole:
            continue
        for place, seed in _seeds(ct, body).items():
            if not records.has((level, place)):
                answer = ask(ct.volume, JobParams(vertebra=level, seed_ras_mm=[float(v) for v in seed]))
                verdict, away = judge(answer.centre, body)
                yield SeedRecord(ct.annotation.name, level, place, verdict, away, answer.refusal)


def _seeds(ct: AnnotatedCt, body: Body) -> dict[str, Floats]:
    frame = vertebra_frame(ct.annotation, body)
    reference = ct.references.get(body.level)
    return seeds_in_body(body, frame) | ({} if reference is None else seeds_in_arch(reference, body.centre, frame))
