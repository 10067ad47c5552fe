"""``make bench``: every figure beside its peer, in one run, printed and written to ``bench-output/bench.json``.

Each part runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.busy_cores import busy_cores

PARTS = ("morph", "fe", "surrogate", "segmentation", "job", "levels", "slices")
OUT = Path("bench-output")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    """Run the parts that were asked for (all by default)."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="keep N cores busy with something else (0)")
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    machine = f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}"
    results: dict[str, object] = {"machine": machine, "date": time.strftime("%Y-%m-%d"), "busy": arguments.busy}
    print(f"machine: {machine}" + (f"; {arguments.busy} kept busy" if arguments.busy else "") + "\n", flush=True)
    with busy_cores(arguments.busy):
        failed = _measure(arguments.parts or PARTS, results)
    target = OUT / ("bench-busy.json" if arguments.busy else "bench.json")
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {target}" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    sys.exit(bool(failed))


def _measure(parts: Sequence[str], results: dict[str, object]) -> list[str]:
    """Run parts one after the other and add their figures to `results`; return those that failed."""
    failed = []
    for part in parts:
        target = OUT / f"{part}.json"
        target.unlink(missing_ok=True)
        status = subprocess.run([sys.executable, "-m", f"bench.{part}", str(target)]).returncode
        if status or not target.exists():
            failed.append(part)
        else:
            results[part] = json.loads(target.read_text())
        print(flush=True)
    return failed


if __name__ == "__main__":
    main()
