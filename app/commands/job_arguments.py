"""Command-line arguments that describe a job, and the job that they describe."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.contract.errors import InvalidParameters
from app.contract.params import JobParams, ResultName
from vertebra_client import Submission
from vertebra_client.submission import files_below

SHORT = {
    "load_newton": "load",
    "deadline_s": "deadline",
    "mask_convention": "convention",
    "mask_label": "label",
    "series_uid": "series",
    "seed_ras_mm": "seed",
}
"""Arguments that are shorter than their parameter."""

OWN = ("vertebra", "results", "store_to", *SHORT)
"""Parameters whose argument is written out below; the others are made from the contract."""


END_OF_MEANING = re.compile(r": |\. (?=[A-Z`])")
"""Of the first sentence of a description."""


class CommandError(Exception):
    """A file that the command line names is not there, or not what it should be."""


def add_job_arguments(command: argparse.ArgumentParser, needs_ct: bool) -> None:
    """Add the files and the parameters of a job to a command; ``needs_ct`` makes the CT a required argument."""
    source = command.add_mutually_exclusive_group(required=needs_ct)
    source.add_argument("--ct", type=Path, help="CT in HU: NIfTI file, zip of DICOM files, or folder of them")
    source.add_argument(
        "--dicomweb",
        metavar="URL",
        help="study or series in an archive that the service may read: ARCHIVE/studies/UID[/series/UID], with the "
        "archive's address or name",
    )
    add_mask_argument(command)
    command.add_argument("--name", help="name of the job, by which people tell it from others; no data of the patient")
    add_label_argument(command)
    add_params(command)


def add_label_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--job-label``."""
    command.add_argument(
        "--job-label", action="append", type=_pair, metavar="KEY=VALUE", help="label of the job; may be repeated"
    )


def add_mask_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--mask``."""
    command.add_argument(
        "--mask",
        type=Path,
        help="vertebra mask, NIfTI or DICOM segmentation; without a mask the service finds and segments the vertebra",
    )


def submission_of(arguments: argparse.Namespace) -> Submission:
    """Return the job that the arguments describe. Raise `CommandError` if a file is missing."""
    is_folder = arguments.ct is not None and arguments.ct.is_dir()
    if is_folder and not files_below(arguments.ct):
        raise CommandError(f"The folder {arguments.ct} has no file.")
    require_files(None if is_folder else arguments.ct, arguments.mask)
    return Submission(
        arguments.ct,
        arguments.mask,
        params_of(arguments),
        arguments.name,
        labels=labels_of(arguments),
        ct_url=arguments.dicomweb,
    )


def labels_of(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the labels of the job."""
    return dict(arguments.job_label or ())


def require_files(*paths: Path | None) -> None:
    """Raise `CommandError` if a file is missing."""
    for path in paths:
        if path is not None and not path.is_file():
            raise CommandError(f"There is no file {path}.")


def params_of(arguments: argparse.Namespace) -> JobParams:
    """Return the parameters that the command line states. Raise `InvalidParameters` if one is not acceptable."""
    given = {name: getattr(arguments, SHORT.get(name, name)) for name in JobParams.model_fields}
    stated = {name: value for name, value in given.items() if value is not None}
    if len(stated.get("vertebra", ())) == 1:
        stated["vertebra"] = stated["vertebra"][0]
    try:
        return JobParams.model_validate_json(json.dumps(stated))
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(map(str, fault["loc"])) or "params"
        raise InvalidParameters(
            f"`{name}` is not acceptable: {fault['msg']}.", expected=fault["msg"], got=repr(fault["input"])[:100]
        ) from error


def add_params(command: argparse.ArgumentParser) -> None:
    """Add the parameters of a job."""
    command.add_argument("--label", type=int, help="label of the vertebra in the mask")
    command.add_argument(
        "--series", metavar="ID", help="DICOM series to read: its UID, or the id that the report lists"
    )
    command.add_argument(
        "--seed",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="a point in the vertebra, RAS+ mm, instead of a mask",
    )
    command.add_argument(
        "--vertebra",
        nargs="+",
        metavar="LEVEL",
        help="level, T11 to L5 (default L1; with a mask: what its label stands for); several, or `all`, for one job",
    )
    command.add_argument("--load", type=float, help=f"load, N (default {_default('load_newton')})")
    command.add_argument("--deadline", type=int, metavar="S", help="longest run, seconds (default: the server's limit)")
    command.add_argument(
        "--store-to", metavar="SERVER", help="DICOMweb server of the operator where the DICOM results are stored"
    )
    command.add_argument(
        "--results",
        nargs="*",
        choices=get_args(ResultName),
        metavar="FILE",
        help=f"result files to make, of {', '.join(get_args(ResultName))} (default: the usual ones)",
    )
    convention = JobParams.model_fields["mask_convention"]
    command.add_argument(
        "--convention",
        choices=get_args(convention.annotation),
        help=f"which number stands for which level in the mask (default {convention.default}: told by the mask itself)",
    )
    for name, field in JobParams.model_fields.items():
        if name not in OWN:
            _add_param(command, name, field)


def _add_param(command: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    """Add a parameter: a choice of words, or a JSON value."""
    meaning = END_OF_MEANING.split(field.description or "")[0].replace("%", "%%").rstrip(".")
    is_choice = get_origin(field.annotation) is Literal
    default = f" (default {field.default})" if is_choice else ", as JSON"
    kind: dict[str, Any] = {"choices": get_args(field.annotation)} if is_choice else {"type": _json, "metavar": "JSON"}
    command.add_argument("--" + name.replace("_", "-"), help=meaning + default, **kind)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key or not value:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text[:60]}")
    return key, value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON, got {text[:60]}") from error


def _default(name: str) -> Any:
    return JobParams.model_fields[name].default
