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
from pathlib import Path

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
    parts = parser.parse_args().parts or PARTS
    OUT.mkdir(exist_ok=True)
    machine = f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}"
    results: dict[str, object] = {"machine": machine, "date": time.strftime("%Y-%m-%d")}
    print(f"machine: {machine}\n", flush=True)
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
    (OUT / "bench.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {OUT / 'bench.json'}" + (f"; FAILED: {', '.join(failed)}" if failed else ""))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
