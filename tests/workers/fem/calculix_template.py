"""What CalculiX computes for the template under 500 N, at some of its nodes: it takes 40 s, so it is kept in a file.

``python -m tests.workers.fem.calculix_template`` runs CalculiX and writes the file; run it where the template changes.
``make bench`` runs CalculiX each time, and compares every node.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import workers  # noqa: F401  (thread settings, before NumPy)
from bench.calculix import solve_with_calculix
from models.template import Template
from workers.engine import engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.stress import von_mises

FILE = Path(__file__).with_name("calculix_template.npz")
EVERY = 50
"""Every so many nodes are kept: 2,419 of 120,913."""


@dataclass(frozen=True)
class KeptSolution:
    """Displacement (k, 3), mm, and stress tensor (k, 6), MPa, at nodes (k,); the largest von Mises stress of all nodes.

    `template` is the SHA-256 of the template's nodes and tetrahedra.
    """

    nodes: NDArray[np.int32]
    displacement: NDArray[np.float32]
    tensor: NDArray[np.float32]
    largest_node: int
    largest_mpa: float
    template: str


def digest(template: Template) -> str:
    return hashlib.sha256(template.nodes.tobytes() + template.tets.tobytes()).hexdigest()


def read() -> KeptSolution:
    with np.load(FILE) as kept:
        arrays = {name: kept[name] for name in ("nodes", "displacement", "tensor")}
        return KeptSolution(
            **arrays, **{name: kept[name].item() for name in ("largest_node", "largest_mpa", "template")}
        )


def record() -> None:
    template = engine().template
    force = endplate_traction(template.nodes, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    peer = solve_with_calculix(template.nodes, template.tets, template.fixed_nodes, force, threads=1)
    stress = von_mises(peer.tensor)
    nodes = np.arange(0, len(template.nodes), EVERY, dtype=np.int32)
    kept = KeptSolution(
        nodes,
        peer.displacement[nodes].astype(np.float32),
        peer.tensor[nodes].astype(np.float32),
        int(stress.argmax()),
        float(stress.max()),
        digest(template),
    )
    np.savez_compressed(FILE, **asdict(kept))


if __name__ == "__main__":
    record()
