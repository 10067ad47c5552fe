"""``python -m tests.hostile``: send every hostile volume through the pipeline; print and write what it took.

Each job runs in a process of its own that is forked before anything is computed, under the workers' limit of memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import workers.pipeline  # noqa: F401  (loaded once, before the forks)
from app.jobs.settings import Settings
from tests.hostile.measure import measure, run_job
from tests.hostile.volumes import VOLUMES, HostileVolume

ABOVE_VOLUME_MB = 1500.0
"""Most memory that a job may take beside CT and mask: 1 GB, and 0.5 GB for bundle, networks and kernels."""


def row_of(volume: HostileVolume, limit: int | None) -> dict[str, Any]:
    """Run one volume; return its figures."""
    with tempfile.TemporaryDirectory(prefix="vertebra-hostile-") as name:
        folder = Path(name)
        ct, mask = volume.write(folder)
        sent = sum(path.stat().st_size for path in (ct, mask) if path)
        outcome = measure(lambda: run_job(ct, mask, volume.params, folder / "out"), limit)
    above = outcome.peak_mb - volume.volume_mb
    good = outcome.problem == volume.problem and above <= ABOVE_VOLUME_MB
    row = {"volume": volume.name, "sent_mb": round(sent / 2**20, 2), "volume_mb": round(volume.volume_mb, 1)}
    return row | asdict(outcome) | {"above_mb": round(above, 1), "expected": volume.problem, "good": good}


def main() -> None:
    """Run the volumes that were asked for: those of every run of the tests by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("names", nargs="*", help="of volumes; without any, the small ones")
    parser.add_argument("--all", action="store_true", help="the large ones too")
    parser.add_argument("--json", type=Path, default=Path("bench-output/hostile.json"), help="where the figures go")
    args = parser.parse_args()
    chosen = [v for v in VOLUMES if v.name in args.names or (not args.names and (args.all or not v.large))]
    limit = Settings().worker_memory_bytes or None
    print(f"{'volume':32}{'sent MB':>9}{'held MB':>9}{'peak MB':>9}{'seconds':>9}  problem", flush=True)
    rows = []
    for volume in chosen:
        row = row_of(volume, limit)
        rows.append(row)
        mark = "" if row["good"] else f"   EXPECTED {volume.problem}, at most {ABOVE_VOLUME_MB:.0f} MB above the volume"
        figures = (row["sent_mb"], row["volume_mb"], row["peak_mb"], row["seconds"])
        print(f"{volume.name:32}" + "".join(f"{f:9.1f}" for f in figures) + f"  {row['problem']}{mark}", flush=True)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")
    sys.exit(not all(row["good"] for row in rows))


if __name__ == "__main__":
    main()
