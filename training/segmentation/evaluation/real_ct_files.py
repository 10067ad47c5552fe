"""Write ``docs/evaluation/real-cts.md`` with its table and picture, from one command."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from training.segmentation.data.annotations import read_annotations
from training.segmentation.data.provenance import SCANNED_PEOPLE
from training.segmentation.evaluation.contact_sheet import write_sheet
from training.segmentation.evaluation.real_ct_outcomes import evaluate_ct, tiles_of
from training.segmentation.evaluation.real_ct_page import SHEET, render_page, write_table
from workers.engine import engine

NETWORKS = ("locator", "landmarks", "segmenter")


def evaluate_real_cts(
    data: Path, work: Path, out: Path, names: list[str] | None = None, flag: bool = False, seeds: bool = True
) -> None:
    """Ask every annotated CT, or those named, and write page, table and picture into `out`.

    Answers are kept in `work`, in a folder for each version of the bundle: remove it where the code has changed.
    """
    bundle = engine().bundle
    folder = work / "real-cts" / bundle.version
    annotations = tuple(a for a in read_annotations() if not names or a.name in names)
    records = [evaluate_ct(data, annotation, folder, flag, seeds) for annotation in annotations]
    out.mkdir(parents=True, exist_ok=True)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    page = render_page(annotations, records, people_seen(bundle.manifest), bundle.version, machine)
    (out / "real-cts.md").write_text(page, encoding="utf-8")
    write_table(out / "real-cts.csv", records)
    tiles = tiles_of(records, folder)
    if tiles:
        write_sheet(out / SHEET, tiles)


def people_seen(manifest: dict[str, object]) -> dict[str, tuple[str, ...]]:
    """Return the people that each network was trained with, by the manifest's ``segmentation.people``.

    Bundles without that entry were trained with all `SCANNED_PEOPLE`.
    """
    segmentation = manifest.get("segmentation")
    people = segmentation.get("people", {}) if isinstance(segmentation, dict) else {}
    return {network: tuple(people.get(network, SCANNED_PEOPLE)) for network in NETWORKS}
