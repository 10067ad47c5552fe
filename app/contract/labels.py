"""The labels that a client gives a job, by which it finds jobs again: short texts under short keys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints, TypeAdapter

MOST_LABELS = 20
LONGEST_KEY, LONGEST_VALUE = 40, 100
"""Characters. Labels tell jobs from each other; what describes a case lies in the client's own database."""

KEY_PATTERN = rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_KEY - 1}}}"
VALUE_PATTERN = rf"[^\x00-\x1f\x7f]{{1,{LONGEST_VALUE}}}"
"""One line of text; PostgreSQL stores no NUL."""

LabelKey = Annotated[str, StringConstraints(pattern=f"^{KEY_PATTERN}$")]
LabelValue = Annotated[str, StringConstraints(pattern=f"^{VALUE_PATTERN}$")]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS)]

LABELS = TypeAdapter(Labels)
LABELS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "maxProperties": MOST_LABELS,
    "propertyNames": {"pattern": f"^{KEY_PATTERN}$"},
    "additionalProperties": {"type": "string", "pattern": f"^{VALUE_PATTERN}$"},
}
"""The labels as JSON Schema: pydantic's own has `patternProperties`, which generators of clients do not know."""
