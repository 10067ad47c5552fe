"""A short run of the damaged inputs with a fixed seed; ``make fuzz`` runs 100,000."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COUNT = 300


def test_damaged_inputs_end_as_problems(tmp_path: Path) -> None:
    path = tmp_path / "fuzz.json"
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(COUNT), "--seed", "1", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    figures = json.loads(path.read_text("utf-8"))
    assert figures["inputs"] == COUNT
    assert figures["untyped_errors"] == figures["hangs"] == 0
    kinds = {ending.split()[0] for ending in figures["endings"]}
    assert kinds == {"header", "gzip", "mask", "multipart", "json"}
    for kind in kinds:  # each kind reaches code behind its first check
        assert len([ending for ending in figures["endings"] if ending.split()[0] == kind]) > 1, figures["endings"]
