"""Where the results of a level lie: of a job of one level in the job's folder, of several in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from app.contract.params import JobParams, Vertebra


def level_folder(out_dir: Path, level: Vertebra, params: JobParams) -> Path:
    """Return the folder of a level's results, which need not exist."""
    return out_dir / level if params.has_folders else out_dir


def in_order(pictures: Iterable[Path]) -> list[Path]:
    """Return pictures by name: ``candidate-2.png`` before ``candidate-10.png``, those of a level after the job's."""
    return sorted(pictures, key=lambda path: (len(path.parts), path.parent, len(path.name), path.name))
