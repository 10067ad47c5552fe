"""Write ``docs/evaluation/real-cts.md`` with its table and picture, from one command."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.artifacts.refusal import RefusedInput
from training.segmentation.data.annotations import Annotation, marked_people, read_annotations
from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.evaluation.contact_sheet import write_sheet
from training.segmentation.evaluation.real_ct_outcomes import evaluate_ct, tiles_of
from training.segmentation.evaluation.real_ct_page import SHEET, render_page, write_table
from training.segmentation.evaluation.remembered_row import RememberedRow
from training.segmentation.fitting.folds import BASE, Fold, halves
from workers.engine import engine

if TYPE_CHECKING:
    from training.segmentation.evaluation.trained_folds import TrainedFolds

NETWORKS = ("locator", "row", "landmarks", "segmenter")
"""The networks that find and segment a vertebra."""
HALVES = "Each CT was asked with that half of the locator's training that has not learned from its person's marks."


@dataclass(frozen=True)
class Request:
    """What is wanted of the evaluation.

    Attributes
    ----------
    names
        Folders of the CTs; None for all.
    flag, seeds
        As in `evaluate_ct`.
    bases
        Networks in whose place the base of their training is used, which has seen no real CT. Of the locator it is the
        half that was trained without the person of the CT.
    """

    names: tuple[str, ...] | None = None
    flag: bool = False
    seeds: bool = True
    bases: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command line that makes this request."""
        parts = ["python -m training evaluate-cts"]
        parts += ["--cts", *self.names] if self.names else []
        parts += ["--base", *self.bases] if self.bases else []
        parts += ["--flag"] if self.flag else []
        parts += [] if self.seeds else ["--no-seeds"]
        return " ".join(parts)


def asked_cts(names: tuple[str, ...] | None) -> tuple[Annotation, ...]:
    """Return the annotated CTs with these names; all without names.

    Raises
    ------
    RefusedInput
        No annotated CT has one of the names.
    """
    known = read_annotations()
    unknown = set(names or ()) - {each.name for each in known}
    if unknown:
        told = ", ".join(each.name for each in known)
        raise RefusedInput(f"no annotated CT is named {', '.join(sorted(unknown))}; there are {told}")
    return tuple(each for each in known if not names or each.name in names)


def evaluate_real_cts(data: Path, work: Path, out: Path, request: Request, profile: str = "shipped") -> None:
    """Ask the annotated CTs and write page, table and picture into `out`.

    Answers are kept in `work`, in a folder for each version of the bundle and choice of bases: remove it where the code
    has changed. The bases are read from the trainings there; `profile` has their widths.
    """
    annotations = asked_cts(request.names)
    bundle = engine().bundle
    trained = use_bases(request.bases, work, profile) if request.bases else None
    finder = engine().finder = RememberedRow(engine().finder)
    folder = work / "real-cts" / "-".join((bundle.version, *request.bases))
    records = []
    for annotation in annotations:
        if trained and "locator" in request.bases:
            finder.locator = trained.locator(half_without(annotation.person))
        records.append(evaluate_ct(data, annotation, folder, request.flag, request.seeds))
    out.mkdir(parents=True, exist_ok=True)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    seen = people_seen(bundle.manifest, request.bases)
    made_by = f"`{request.command}` writes this page with `real-cts.csv` (bundle {bundle.version}, {machine})."
    if "locator" in request.bases:
        made_by += f" {HALVES}"
    page = render_page(annotations, records, seen, made_by)
    (out / "real-cts.md").write_text(page, encoding="utf-8")
    write_table(out / "real-cts.csv", records)
    tiles = tiles_of(records, folder)
    if tiles:
        write_sheet(out / SHEET, tiles)


def use_bases(networks: tuple[str, ...], work: Path, profile: str) -> TrainedFolds:
    """Let this process answer with the bases of some of the networks; return all that is trained in `work`.

    Raises
    ------
    RuntimeError
        A base's training is not finished.
    """
    from training.segmentation.evaluation.trained_folds import TrainedFolds

    trained, finder = TrainedFolds(work / "segmentation", profile), engine().finder
    if "row" in networks:
        finder.row_network = trained.row(BASE)
    if "landmarks" in networks:
        finder.landmarks = trained.landmarks(BASE)
    if "segmenter" in networks:
        finder.segmenter = trained.segmenter("bifusion", BASE)
    return trained


def half_without(person: str) -> Fold:
    """Return the half of the locator's training that has not seen a person."""
    return next(fold for fold in halves(marked_people()) if person in fold.without)


def people_seen(manifest: dict[str, Any], bases: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Return the people whose CTs each network was trained with, by the manifest's ``segmentation.people``.

    Without that entry the row network was trained with everybody who is annotated, the others with all
    `SCANNED_PEOPLE`. Bases have seen nobody. The locator's halves go on
    from one that has seen `SCANNED_PEOPLE`.
    """
    people = {network: SCANNED_PEOPLE for network in NETWORKS} | {"row": marked_people()}
    people |= {name: tuple(who) for name, who in manifest.get("segmentation", {}).get("people", {}).items()}
    unseen = {network: () for network in bases} | ({"locator": SCANNED_PEOPLE} if "locator" in bases else {})
    return {network: unseen.get(network, people[network]) for network in NETWORKS}
