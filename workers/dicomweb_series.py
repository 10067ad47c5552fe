"""The series of a study, as an archive lists them (QIDO-RS, PS3.18 section 10.6)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from app.contract.dicom_series import DicomSeries, series_id
from app.jobs.ct_reference import LONGEST_UID, UID

SERIES_UID, MODALITY, INSTANCES = "0020000E", "00080060", "00201209"
"""SeriesInstanceUID, Modality, NumberOfSeriesRelatedInstances."""
QUERY = f"?includefield={INSTANCES}"
MAX_LISTED = 100
"""Series that a problem names, as of an upload."""
NO_CT = "it is no CT"


@dataclass(frozen=True)
class ArchivedSeries:
    """A series of an archive; ``instances`` is 0 where the archive does not say how many it has."""

    uid: str
    modality: str
    instances: int

    @property
    def id(self) -> str:
        """What clients see instead of the UID."""
        return series_id(self.uid)


def read_series(text: bytes) -> list[ArchivedSeries]:
    """Return the series of an archive's list (DICOM JSON, PS3.18 annex F). Raise `ValueError` if it is no such list."""
    try:
        items = json.loads(text or b"[]")
        return [_series(item) for item in items]
    except (TypeError, AttributeError, LookupError, RecursionError, OverflowError) as error:
        raise ValueError("no list of series") from error


def ct_series(series: list[ArchivedSeries]) -> list[ArchivedSeries]:
    """Return those that are CTs."""
    return [one for one in series if one.modality == "CT"]


def described(series: list[ArchivedSeries]) -> list[DicomSeries]:
    """Return series as clients see them, CTs first, `MAX_LISTED` at most. What only headers say is not known."""
    ordered = sorted(series, key=lambda one: one.modality != "CT")[:MAX_LISTED]
    return [
        DicomSeries(
            id=one.id,
            modality=one.modality,
            orientation=None,
            slices=max(one.instances, 1),
            spacing_mm=None,
            kernel=None,
            left_out=None if one.modality == "CT" else NO_CT,
        )
        for one in ordered
    ]


def _series(item: dict[str, Any]) -> ArchivedSeries:
    uid = str(item[SERIES_UID]["Value"][0])
    if not re.fullmatch(UID, uid) or len(uid) > LONGEST_UID:
        raise ValueError("no UID")  # it would become part of an address
    modality = str(_first(item, MODALITY) or "")
    return ArchivedSeries(
        uid, modality if re.fullmatch("[A-Z0-9 _]{0,16}", modality) else "", int(_first(item, INSTANCES) or 0)
    )


def _first(item: dict[str, Any], tag: str) -> Any:
    values = item.get(tag, {}).get("Value") or [None]
    return values[0]
