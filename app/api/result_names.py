"""Names of result files in paths: ``stress.vtu``, or ``L2/stress.vtu`` of a job with several levels."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from starlette.convertors import StringConvertor, register_url_convertor


class ResultNameConvertor(StringConvertor):
    """Matches the name of a file, and the folder of its level before it."""

    regex = "(?:[TL][0-9]{1,2}/)?[^/]+"


register_url_convertor("result", ResultNameConvertor())

ResultName = Annotated[
    str,
    Path(
        description="File name of the result; of a job with several levels after the folder of its level: "
        "`L2/stress.vtu`.",
        examples=["stress.vtu"],
    ),
]


def download_name(name: str) -> str:
    """Return the name under which a browser saves a result: that of a level begins with the level."""
    return name.replace("/", "-")
