"""Command-line arguments that describe a job, and the job that they describe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from app.contract.errors import InvalidParameters
from app.contract.params import JobParams, ResultName
from vertebra_client import Submission
from vertebra_client.submission import files_below

PARAMS = {
    "load": "load_newton",
    "deadline": "deadline_s",
    "results": "results",
    "convention": "mask_convention",
    "label": "mask_label",
    "series": "series_uid",
    "seed": "seed_ras_mm",
    "fidelity": "fidelity",
    "surrogate": "surrogate",
    "on_out_of_distribution": "on_out_of_distribution",
    "on_uncertain_level": "on_uncertain_level",
    "on_uncertain_outline": "on_uncertain_outline",
}
"""Argument to parameter. What the command line does not say, the service chooses."""


class CommandError(Exception):
    """A file that the command line names is not there, or not what it should be."""


def add_job_arguments(command: argparse.ArgumentParser, needs_ct: bool) -> None:
    """Add the files and the parameters of a job to a command; ``needs_ct`` makes the CT a required argument."""
    command.add_argument(
        "--ct", type=Path, required=needs_ct, help="CT in HU: NIfTI file, zip of DICOM files, or folder of them"
    )
    add_mask_argument(command)
    command.add_argument("--name", help="name of the job, by which people tell it from others; no data of the patient")
    add_params(command)


def add_mask_argument(command: argparse.ArgumentParser) -> None:
    """Add ``--mask``."""
    command.add_argument(
        "--mask", type=Path, help="vertebra mask, NIfTI; without a mask the service finds and segments the vertebra"
    )


def submission_of(arguments: argparse.Namespace) -> Submission:
    """Return the job that the arguments describe. Raise `CommandError` if a file is missing."""
    if not arguments.ct.is_dir():
        require_files(arguments.ct)
    elif not files_below(arguments.ct):
        raise CommandError(f"The folder {arguments.ct} has no file.")
    require_files(arguments.mask)
    return Submission(arguments.ct, arguments.mask, params_of(arguments), arguments.name)


def require_files(*paths: Path | None) -> None:
    """Raise `CommandError` if a file is missing."""
    for path in paths:
        if path is not None and not path.is_file():
            raise CommandError(f"There is no file {path}.")


def params_of(arguments: argparse.Namespace) -> JobParams:
    """Return the parameters that the command line states. Raise `InvalidParameters` if one is not acceptable."""
    stated: dict[str, Any] = {
        name: getattr(arguments, argument)
        for argument, name in PARAMS.items()
        if getattr(arguments, argument) is not None
    }
    if arguments.vertebra is not None:
        stated["vertebra"] = arguments.vertebra if len(arguments.vertebra) > 1 else arguments.vertebra[0]
    try:
        return JobParams.model_validate(stated)
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
        "--results",
        nargs="*",
        choices=get_args(ResultName),
        metavar="FILE",
        help=f"result files to make, of {', '.join(get_args(ResultName))} (default: the usual ones)",
    )
    _add_choices(command)


def _add_choices(command: argparse.ArgumentParser) -> None:
    for argument, text in {
        "convention": "which number stands for which level in the mask; auto: told by the mask itself",
        "fidelity": "how to compute the stress",
        "surrogate": "surrogate that predicts the stress",
        "on_out_of_distribution": "what to do when the expected error is above the limit",
        "on_uncertain_level": "what to do where ribs and sacrum do not settle the level",
        "on_uncertain_outline": "what to do when the expected error that the outline adds is above the limit",
    }.items():
        name = PARAMS[argument]
        command.add_argument(
            "--" + argument.replace("_", "-"),
            choices=get_args(JobParams.model_fields[name].annotation),
            help=f"{text} (default {_default(name)})",
        )


def _default(name: str) -> Any:
    return JobParams.model_fields[name].default
