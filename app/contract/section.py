"""What every section of the report builds on: numbers that are finite, and no field but those named."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Position = tuple[Number, Number, Number]


class Section(BaseModel):
    """Base of every part of the report."""

    model_config = ConfigDict(extra="forbid", frozen=True)
