"""A list of one's own cases to train with: a CSV file with a line for each vertebra.

Columns: ``ct`` and ``mask`` (files, relative to the list's folder), ``convention`` (which number stands for which
level; empty: the mask shows this vertebra alone), ``level``, ``person``, and maybe ``label`` (the vertebra's number in
the mask, which then counts instead of the convention's). The service writes such a list of corrected outlines
(`workers.corrections`).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.contract.params import LEVELS
from training.artifacts.refusal import RefusedInput
from training.shapes.sources import ANY_LABEL, Source
from workers.mask.conventions import CONVENTIONS, label_of_level

COLUMNS = ("ct", "mask", "convention", "level", "person")


class ManifestError(RefusedInput, ValueError):
    """Lines of a list of cases are not acceptable; the message names the file and every such line."""


@dataclass(frozen=True)
class Case:
    """One vertebra of a list.

    Attributes
    ----------
    line
        Its line in the file; the heading is line 1.
    ct, mask
        Files; the CT is None where the list names none, which is enough for shapes.
    level
        ``T11`` to ``L5``.
    person
        Whose it is: people are never on both sides of a split.
    labels
        Values of the mask that make up the vertebra; `ANY_LABEL`: every one above 0.
    convention
        Which number stands for which level; empty where it does not matter.
    """

    line: int
    ct: Path | None
    mask: Path
    level: str
    person: str
    labels: tuple[int, ...]
    convention: str = ""


def read_manifest(path: Path, levels: tuple[str, ...] = LEVELS) -> tuple[Case, ...]:
    """Return the cases of a list that are of one of these levels.

    Raises
    ------
    ManifestError
        The file is none of text with these columns, a file is missing, a value is not acceptable, or no case
        is of these levels.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: there is no such file")
    found, faults = [], []
    for number, line in _lines(path):
        try:
            found.append(_case(path, number, line))
        except ManifestError as error:
            faults.append(str(error))
    if faults:
        raise ManifestError("\n".join(faults))
    cases = tuple(case for case in found if case.level in levels)
    if not cases:
        raise ManifestError(f"{path}: {len(found)} cases, none of which is of {', '.join(levels)}")
    return cases


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield number and values of each line. Raise `ManifestError` if the file is no list."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        lines = csv.DictReader(stream)
        try:
            names = lines.fieldnames or ()
            missing = [name for name in COLUMNS if name not in names]
            if missing:
                raise ManifestError(
                    f"{path}: expected the columns {', '.join(COLUMNS)}, {', '.join(missing)} are missing; "
                    f"line 1 has {', '.join(names) or 'nothing'}. Commas separate the columns."
                )
            for line in lines:
                yield lines.line_num, line
        except (UnicodeDecodeError, csv.Error) as error:
            raise ManifestError(f"{path}: this is no CSV file in UTF-8: {error}") from None


def _case(path: Path, number: int, line: dict[str, str | None]) -> Case:
    """Return the case of one line. Raise `ManifestError` if it is none."""
    texts = {name: (line.get(name) or "").strip() for name in (*COLUMNS, "label")}
    where = f"{path}, line {number}"
    ct, mask = (path.parent / texts[name] if texts[name] else None for name in ("ct", "mask"))
    if mask is None or not texts["person"]:
        raise ManifestError(f"{where}: `mask` and `person` may not be empty")
    if "/" in texts["person"]:
        raise ManifestError(f"{where}: `person` names files, so it may have no slash, got {texts['person']}")
    for file in filter(None, (ct, mask)):
        if not file.is_file():
            raise ManifestError(f"{where}: there is no file {file}")
    if texts["level"] not in LEVELS:
        raise ManifestError(f"{where}: `level` should be one of {', '.join(LEVELS)}, got {texts['level'] or 'nothing'}")
    labels = _labels(where, texts)
    follows = "" if texts["label"] else texts["convention"]
    return Case(number, ct, mask, texts["level"], texts["person"], labels, follows)


def _labels(where: str, texts: dict[str, str]) -> tuple[int, ...]:
    """Return the values of the mask that make up the vertebra of a line."""
    if texts["label"]:
        if not texts["label"].isdecimal() or int(texts["label"]) < 1:
            raise ManifestError(f"{where}: `label` should be a whole number from 1, got {texts['label']}")
        return (int(texts["label"]),)
    if not texts["convention"]:
        return ANY_LABEL
    names = [name for name in CONVENTIONS if name == texts["convention"]]
    if not names:
        known = ", ".join(CONVENTIONS)
        raise ManifestError(f"{where}: `convention` should be one of {known} or empty, got {texts['convention']}")
    label = label_of_level(names[0], texts["level"])
    if label is None:
        raise ManifestError(f"{where}: {names[0]} has no number for {texts['level']}")
    return (label,)


def manifest_sources(path: Path, levels: tuple[str, ...] = LEVELS) -> tuple[Source, ...]:
    """Return a source of each case of a list. Raise `ManifestError` as `read_manifest` does."""
    seen: Counter[tuple[str, str]] = Counter()
    sources = []
    for case in read_manifest(path, levels):
        seen[case.person, case.level] += 1
        number = seen[case.person, case.level]
        scan = "" if number == 1 else f"scan{number}"
        sources.append(Source(case.person, case.level, str(case.mask.resolve()), case.labels, scan))
    return tuple(sources)
