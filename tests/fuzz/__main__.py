"""``make fuzz``: give damaged inputs to the code that reads them, and count what it does not refuse by a problem.

Input i of a kind depends on the seed, the kind and i alone: ``--seed S --only KIND:I`` gives it again.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import workers  # noqa: F401  (thread settings, before NumPy)
from app.jobs.settings import Settings
from tests.app.harness import running_broker
from tests.fuzz.form_inputs import BOUNDARY, KEY, odd_form, odd_params, plain_form, running_gateway
from tests.fuzz.nifti_inputs import Readers, odd_gzip, odd_header, odd_mask
from tests.fuzz.tally import Tally
from workers.memory_limit import limit_memory

Case = Callable[[random.Random], str]
"""Make one input from a source of random numbers, give it to the real code, and return how that ends."""
SHARES = {"header": 0.3, "gzip": 0.15, "mask": 0.15, "multipart": 0.2, "json": 0.2}
"""Of all inputs."""
SPARE_BYTES = 1 << 30
"""What an input may take beside what the process has: its volume is below 1 MB. More is an untyped `MemoryError`."""
FORM_HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def memory_kb(field: str) -> int:
    """Return a figure of this process: ``VmData``, its writable private memory, or ``VmHWM``, its largest resident one.

    Unlike ``ru_maxrss`` the latter starts anew with the program, whatever started it.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def cases(readers: Readers, post: Callable[[bytes, dict[str, str]], str]) -> dict[str, Case]:
    """Return the kinds of inputs."""
    return {
        "header": lambda source: readers.read_ct(odd_header(source)),
        "gzip": lambda source: readers.read_ct(odd_gzip(source)),
        "mask": lambda source: readers.read_mask(odd_mask(source)),
        "multipart": lambda source: post(*odd_form(source)),
        "json": lambda source: post(plain_form([("ct", b"ct"), ("params", odd_params(source))]), FORM_HEADERS),
    }


def run(chosen: list[tuple[str, int]], seed: int, tally: Tally) -> None:
    """Run inputs, each named by its kind and number."""
    with tempfile.TemporaryDirectory(prefix="vertebra-fuzz-") as name, running_broker(Path(name) / "broker") as broker:
        settings = Settings(
            data_dir=Path(name), broker_url=broker.url, api_keys={KEY: "tenant"}, max_upload_bytes=1 << 20
        )
        with running_gateway(settings) as gateway:
            kinds = cases(Readers(Path(name)), gateway.post)
            for kind in kinds:
                kinds[kind](random.Random(0))  # what is loaded once does not count as an input's memory
            limit_memory((memory_kb("VmData") << 10) + SPARE_BYTES)
            before = memory_kb("VmHWM")
            for kind, i in chosen:
                source = random.Random(f"{seed}:{kind}:{i}")
                tally.record(f"{kind}:{i}", lambda kind=kind, source=source: kinds[kind](source))
            tally.growth_mb = (memory_kb("VmHWM") - before) / 1024.0


def main() -> None:
    """Run the inputs that were asked for; exit with 1 if one of them was not refused as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32), help="of the random numbers")
    parser.add_argument("--only", metavar="KIND:I", help="one input")
    parser.add_argument("--json", type=Path, default=Path("bench-output/fuzz.json"), help="where the figures go")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    chosen = [(kind, i) for kind, share in SHARES.items() for i in range(round(args.count * share))]
    if args.only:
        kind, _, number = args.only.partition(":")
        chosen = [(kind, int(number))]
    tally = Tally()
    run(chosen, args.seed, tally)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({"seed": args.seed, **tally.figures()}, indent=2) + "\n", "utf-8")
    print(tally.text())
    sys.exit(not tally.is_clean)


if __name__ == "__main__":
    main()
