"""``batch``: run every CT of a folder, and list the results in a CSV file."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from app.commands.batch import Batch
from app.commands.batch_cases import DONE, Case, case_of, read
from app.commands.connection import Commands, Opener, add_service_command
from app.commands.exit_codes import JOB_FAILED
from app.commands.job_arguments import CommandError, add_label_argument, add_params, labels_of, params_of
from app.commands.output import emit, say
from vertebra_client import Submission
from vertebra_client.submission import files_below

AHEAD = 4
"""Jobs that are sent before the first of them has ended, so that no worker waits for an upload."""

LONGEST_NAME = 100
"""Characters of a job's name that the service takes."""


def add(commands: Commands, opener: Opener) -> None:
    """Add the command to the subparsers of the command line."""
    text = "run every CT of a folder; a rerun goes on and sends nothing again that is done"
    command = add_service_command(commands, "batch", partial(_batch, opener), text)
    command.add_argument("folder", type=Path, help="folder of the CTs")
    command.add_argument("--csv", type=Path, required=True, help="file of the results; a rerun reads it first")
    command.add_argument("--out", type=Path, help="folder for the result files, in a folder for each CT")
    command.add_argument(
        "--pattern",
        nargs="+",
        default=["*.nii*", "*.zip"],
        help="which files are CTs, e.g. **/ct.nii.gz, or */ for folders of DICOM files (default *.nii* and *.zip)",
    )
    command.add_argument(
        "--masks", type=Path, help="folder of the masks, with the names of the CTs (of folders and zips: NAME.nii.gz)"
    )
    command.add_argument("--mask-name", metavar="NAME", help="name of the mask beside each CT")
    command.add_argument("--ahead", type=int, default=AHEAD, help="jobs sent ahead (default %(default)s)")
    command.add_argument("--again", action="store_true", help="run CTs again that were refused or failed")
    add_label_argument(command)
    add_params(command)


def _batch(opener: Opener, arguments: argparse.Namespace) -> int:
    before = read(arguments.csv)
    cases = [case_of(file, each, before.get(file, [])) for file, each in _submissions(arguments)]
    with opener(arguments) as client:
        batch = Batch(client, cases, arguments.csv, arguments.out)
        batch.run(max(arguments.ahead, 1), arguments.again, partial(_tell, arguments, len(cases)))
    states = Counter(case.state for case in cases)
    text = ", ".join(f"{count} {state}" for state, count in states.items())
    emit(arguments, {"csv": arguments.csv, "states": states}, f"{text}; see {arguments.csv}")
    return 0 if set(states) <= {DONE} else JOB_FAILED


def _tell(arguments: argparse.Namespace, total: int, number: int, case: Case) -> None:
    say(arguments, f"{number} of {total}  {case.file}  {case.state}")


def _submissions(arguments: argparse.Namespace) -> Iterator[tuple[str, Submission]]:
    """Yield the path of each CT below the folder, and the job with that name."""
    params, labels = params_of(arguments), labels_of(arguments)
    for ct, mask in _files(arguments):
        file = ct.relative_to(arguments.folder).as_posix()
        yield file, Submission(ct, mask, params, file[-LONGEST_NAME:], labels=labels)


def _files(arguments: argparse.Namespace) -> Iterator[tuple[Path, Path | None]]:
    """Yield each CT with its mask. Raise `CommandError` if there is none, or a mask is missing."""
    folder, masks, name = arguments.folder, arguments.masks, arguments.mask_name
    if not folder.is_dir():
        raise CommandError(f"There is no folder {folder}.")
    wanted = {path for pattern in arguments.pattern for path in folder.glob(pattern)}
    found = sorted(path for path in wanted if path.is_file() or files_below(path))
    found = [path for path in found if masks is None or not path.resolve().is_relative_to(masks.resolve())]
    if not found:
        raise CommandError(
            f"No file of {folder} matches {' or '.join(arguments.pattern)}. Choose others with --pattern."
        )
    for ct in found:
        mask = None
        if masks is not None:
            mask = masks / mask_name(ct.relative_to(folder))
        elif name is not None:
            mask = (ct if ct.is_dir() else ct.parent) / name
        if mask is not None and not mask.is_file():
            raise CommandError(f"The CT {ct} has no mask: there is no file {mask}.")
        yield ct, mask


def mask_name(ct: Path) -> Path:
    """Return the name of the mask of a CT in the folder of masks: that of a NIfTI file, else with ``.nii.gz``."""
    return ct if ".nii" in ct.suffixes else ct.with_name(f"{ct.name.removesuffix('.zip')}.nii.gz")
