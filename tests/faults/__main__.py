"""``make faults``: give jobs to a service while its parts are killed, hang, refuse or forget; count what went wrong.

The seed decides the jobs and the order of the faults; when a fault meets which job depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

from tests.app.harness import wait_for
from tests.faults.clients import Clients
from tests.faults.faults import Faults
from tests.faults.stack import Stack, running_stack
from tests.faults.verdict import judge


def run(stack: Stack, jobs: int, seed: int) -> dict[str, object]:
    """Run so many jobs through the faults, and return the figures."""
    markers = stack.settings.data_dir / "markers"
    markers.mkdir()
    begin = time.monotonic()
    faults = Faults(stack, random.Random(seed))
    clients = Clients(stack.url, seed, jobs, markers)
    thread = threading.Thread(target=faults.run)
    thread.start()
    try:
        clients.run()
    finally:
        faults.stop()
        thread.join()
    wait_for(stack.is_ready, "the service after the faults")
    seconds = round(time.monotonic() - begin, 1)
    verdict = judge(stack, clients.accepted)
    return {"seed": seed, "jobs": jobs, **asdict(verdict), "good": verdict.is_good and verdict.accepted == jobs,
            "faults": dict(faults.counts), "seconds": seconds}  # fmt: skip


def main() -> None:
    """Print the figures and write them; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="of the random numbers")
    parser.add_argument("--json", type=Path, default=Path("bench-output/faults.json"), help="where the figures go")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="vertebra-faults-") as name, running_stack(Path(name) / "data") as stack:
        figures = run(stack, args.jobs, args.seed)
    text = json.dumps(figures, indent=2)
    print(text)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(text + "\n")
    sys.exit(0 if figures["good"] else 1)


if __name__ == "__main__":
    main()
