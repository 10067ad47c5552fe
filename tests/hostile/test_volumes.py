"""Small files that hold huge or strange volumes end as their problem, within the bound of memory, each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.hostile.volumes import VOLUMES

MOST_MB = 100.0
"""The small volumes take at most 45 MB beside themselves; none loads the bundle."""


def test_small_hostile_volumes(tmp_path: Path) -> None:
    path = tmp_path / "hostile.json"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--json", str(path)], capture_output=True, text=True, env=environment
    )
    rows = {row["volume"]: row for row in json.loads(path.read_text("utf-8"))}
    assert rows.keys() == {volume.name for volume in VOLUMES if not volume.large}, done.stderr
    for row in rows.values():
        assert row["good"], (row, done.stderr)
        assert row["above_mb"] < MOST_MB, row
