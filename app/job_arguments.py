"""Command-line arguments that describe a job, and the job that they describe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from app.client import Request
from app.contract.params import ON_REQUEST, JobParams, ResultName
from app.jobs.settings import SettingsError


def add_job_arguments(command: argparse.ArgumentParser, needs_ct: bool) -> None:
    """Add the files and the parameters of a job to a command; ``needs_ct`` makes the CT a required argument."""
    _add_files(command, needs_ct)
    _add_params(command)


def job_request(arguments: argparse.Namespace) -> Request:
    """Return the job that the arguments describe. Raise `SettingsError` if a file is missing."""
    for path in (arguments.ct, arguments.mask):
        if path is not None and not path.is_file():
            raise SettingsError(f"There is no file {path}.")
    params: dict[str, Any] = {
        "load_newton": arguments.load,
        "fidelity": arguments.fidelity,
        "surrogate": arguments.surrogate,
        "on_out_of_distribution": arguments.on_out_of_distribution,
        "on_uncertain_level": arguments.on_uncertain_level,
        "on_uncertain_outline": arguments.on_uncertain_outline,
    }
    if arguments.vertebra is not None:
        params["vertebra"] = arguments.vertebra if len(arguments.vertebra) > 1 else arguments.vertebra[0]
    if arguments.convention != JobParams.model_fields["mask_convention"].default:
        params["mask_convention"] = arguments.convention
    if arguments.label is not None:
        params["mask_label"] = arguments.label
    if arguments.seed is not None:
        params["seed_ras_mm"] = arguments.seed
    if arguments.deadline is not None:
        params["deadline_s"] = arguments.deadline
    if arguments.results is not None:
        params["results"] = arguments.results
    return Request(arguments.ct, arguments.mask, params, arguments.name)


def _add_files(command: argparse.ArgumentParser, needs_ct: bool) -> None:
    command.add_argument("--ct", type=Path, required=needs_ct, help="CT volume, NIfTI, in HU")
    command.add_argument(
        "--mask", type=Path, help="vertebra mask, NIfTI; without a mask the service finds and segments the vertebra"
    )
    command.add_argument("--name", help="name of the job, by which people tell it from others; no data of the patient")
    command.add_argument("--label", type=int, help="label of the vertebra in the mask")
    convention = JobParams.model_fields["mask_convention"]
    command.add_argument(
        "--convention",
        default=convention.default,
        choices=get_args(convention.annotation),
        help="which number stands for which level in the mask (default %(default)s: told by the mask itself)",
    )
    command.add_argument(
        "--seed",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="a point in the vertebra, RAS+ mm, instead of a mask",
    )


def _add_params(command: argparse.ArgumentParser) -> None:
    fields = JobParams.model_fields
    command.add_argument(
        "--vertebra",
        nargs="+",
        metavar="LEVEL",
        help="level, T11 to L5 (default L1; with a mask: what its label stands for); several, or `all`, for one job",
    )
    command.add_argument(
        "--load", type=float, default=fields["load_newton"].default, help="load, N (default %(default)s)"
    )
    command.add_argument("--deadline", type=int, metavar="S", help="longest run, seconds (default: the server's limit)")
    command.add_argument(
        "--results",
        nargs="*",
        choices=get_args(ResultName),
        metavar="FILE",
        help=f"result files to make, of {', '.join(get_args(ResultName))} (default: without {', '.join(ON_REQUEST)})",
    )
    choices = {
        "fidelity": "how to compute the stress",
        "surrogate": "surrogate that predicts the stress",
        "on_out_of_distribution": "what to do when the expected error is above the limit",
        "on_uncertain_level": "what to do where ribs and sacrum do not settle the level",
        "on_uncertain_outline": "what to do when the expected error that the outline adds is above the limit",
    }
    for name, text in choices.items():
        command.add_argument(
            "--" + name.replace("_", "-"),
            default=fields[name].default,
            choices=get_args(fields[name].annotation),
            help=f"{text} (default %(default)s)",
        )
