"""The levels that a job may ask for: one, a list, or all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, PlainSerializer, TypeAdapter, ValidationError, WithJsonSchema, WrapValidator
from pydantic_core import PydanticCustomError

Vertebra = Literal["T11", "T12", "L1", "L2", "L3", "L4", "L5"]
LEVELS: tuple[Vertebra, ...] = get_args(Vertebra)
"""Every level that a job may ask for, from top to bottom."""
UNIQUE: dict[str, Any] = {"uniqueItems": True}
"""What the JSON schema says of a list with `EachOnce`."""


def _each_once(names: list[Any]) -> list[Any]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("each_once", "Input should name each at most once")
    return names


EachOnce = AfterValidator(_each_once)
"""Of a list without a name twice."""


def _check_levels(value: Any, check: Callable[[Any], Any]) -> Any:
    """Say in one sentence what all choices of the union refuse."""
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError(
            "levels", "Input should be a level from T11 to L5, `all`, or a list of such levels, each at most once"
        ) from error


def _as_it_is(value: Any) -> Any:
    """Return a value of a newer release too, which no choice of the union knows."""
    return value


_List = Annotated[list[Vertebra], EachOnce, Field(min_length=1, max_length=len(LEVELS), json_schema_extra=UNIQUE)]
_Choice = Vertebra | Literal["all"] | _List | None
AskedLevels = Annotated[
    _Choice,
    WrapValidator(_check_levels),
    PlainSerializer(_as_it_is, return_type=Any),
    WithJsonSchema(TypeAdapter(_Choice).json_schema()),
]
"""A level, several of them, `all`, or None where the client states none."""
