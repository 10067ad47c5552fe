"""``make faults``: give jobs to a service while its parts are killed, hang, refuse or forget; count what went wrong.

The seed decides the jobs and the order of the faults; when a fault meets which job depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

from app.demo import synthetic_ct
from tests.app.harness import wait_for
from tests.faults.clients import Clients
from tests.faults.faults import Faults, faults_of_one_machine
from tests.faults.machine_faults import faults_of_machines
from tests.faults.machines import running_on_machines
from tests.faults.one_machine import running_on_one_machine
from tests.faults.recovery import GOAL_S, Recovery
from tests.faults.stack import REAL_WORKER, Stack
from tests.faults.verdict import judge


def run(stack: Stack, faults: Faults, jobs: int, seed: int) -> dict[str, object]:
    """Run so many jobs through the faults, and return the figures."""
    markers = stack.logs / "markers"
    markers.mkdir()
    begin = time.monotonic()
    clients = Clients(stack.urls, seed, jobs, markers)
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


def run_one(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Run the jobs on one machine."""
    source = random.Random(args.seed)
    with running_on_one_machine(folder / "data") as machine:
        return run(machine, Faults(faults_of_one_machine(machine, source), source), args.jobs, args.seed)


def run_machines(folder: Path, args: argparse.Namespace) -> dict[str, object]:
    """Run the jobs on two gateways and two workers."""
    source = random.Random(args.seed)
    with running_on_machines(folder / "data") as machines:
        return run(machines, Faults(faults_of_machines(machines, source), source), args.jobs, args.seed)


def run_recovery(folder: Path) -> dict[str, object]:
    """Measure with a real worker, on a synthetic CT, how soon jobs run again."""
    ct = synthetic_ct(folder).read_bytes()
    with running_on_one_machine(folder / "data", workers=1, program=REAL_WORKER) as machine:
        seconds = Recovery(machine, ct, None).measure()
    return {"goal_s": GOAL_S, "seconds": seconds, "load_average": round(os.getloadavg()[0], 1), "good": True}


def main() -> None:
    """Print the figures and write them; exit with 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="of the random numbers")
    parser.add_argument("--machines", action="store_true", help="two gateways, two workers, PostgreSQL and S3")
    parser.add_argument("--recovery", action="store_true", help="measure how soon jobs run again instead")
    parser.add_argument("--json", type=Path, default=Path("bench-output/faults.json"), help="where the figures go")
    args = parser.parse_args()
    if not args.recovery:
        print(f"seed {args.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="vertebra-faults-"))
    if args.recovery:
        figures = run_recovery(folder)
    else:
        figures = run_machines(folder, args) if args.machines else run_one(folder, args)
    if figures["good"]:
        shutil.rmtree(folder)
    else:
        print(f"the logs are in {folder / 'data'}")
    text = json.dumps(figures, indent=2)
    print(text)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(text + "\n")
    sys.exit(0 if figures["good"] else 1)


if __name__ == "__main__":
    main()
