"""Command line of the generator: ``python -m synthetic_ct --out DIR [--seed N]`` writes one synthetic CT."""

from __future__ import annotations

import argparse
from pathlib import Path

import workers  # noqa: F401  (thread settings, before NumPy)
from synthetic_ct.whole_ct import make_lumbar_ct, write_ct


def main() -> None:
    """Write a synthetic lumbar CT and its label map, and print their paths."""
    parser = argparse.ArgumentParser(
        prog="python -m synthetic_ct", description="Write a synthetic lumbar CT and its label map (VerSe numbers)."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for ct.nii.gz and mask.nii.gz")
    parser.add_argument("--seed", type=int, default=0, help="number that decides who is drawn and how the scan is made")
    arguments = parser.parse_args()
    print(*write_ct(make_lumbar_ct(arguments.seed), arguments.out), sep="\n")


if __name__ == "__main__":
    main()
