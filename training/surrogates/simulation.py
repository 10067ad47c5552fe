"""Simulate the population with the workers' own finite elements; may be killed at any point and started again.

Each sample is one file, written aside and renamed. A shape that cannot be meshed or solved leaves a line with the
reason in ``failures.jsonl``; it is counted and reported at the end, and not tried again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from app.contract.errors import VertebraError
from models.bundle import Bundle
from models.types import Singles
from training.files import claim, save_npz
from training.shapes.geodesics import find_geodesics
from training.shapes.population import Population
from training.shapes.registration import register
from training.shapes.sources import Source
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import Plan, solve
from workers.mesh.subject_mesh import MeshMorpher


@dataclass(frozen=True)
class Sample:
    """A simulated shape.

    Attributes
    ----------
    points
        (n, 3) float32, mm, template frame and size.
    tensor
        (n, 6) float32, MPa at `REFERENCE_LOAD_NEWTON`, nodal stress.
    person, kind
        As `training.shapes.population.Shape`; ``real`` for a registered vertebra itself.
    name
        File stem.
    """

    points: Singles
    tensor: Singles
    person: str
    kind: str
    name: str


_population: Population | None = None
_plan: Plan | None = None


def _setup(sources: tuple[Source, ...], data: Path, work: Path, seed: int) -> tuple[Population, Plan]:
    """Return this process's population and solver plan, made once."""
    global _population, _plan
    if _population is None or _plan is None:
        import numba

        numba.set_num_threads(1)  # processes share the machine, not threads
        bundle = Bundle()
        template = bundle.template
        shapes = register(sources, data, work)
        paths = find_geodesics(shapes, template, work, jobs=1)
        _population = Population(shapes, paths, MeshMorpher(template, bundle.shape_model), seed)
        _plan = Plan(template.tets, len(template.nodes), template.fixed_nodes)
    return _population, _plan


def _one(index: int, sources: tuple[Source, ...], data: Path, work: Path, seed: int) -> str | None:
    """Simulate sample `index`; return why not, or None."""
    with threadpool_limits(1):
        population, plan = _setup(sources, data, work, seed)
        template = population.morpher.template
        try:
            shape = population.shape(index)
            force = endplate_traction(shape.points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
            tensor = solve(shape.points, plan, force).field.tensor
        except VertebraError as error:
            return f"{type(error).__name__}: {error}"
    _write(sample_path(work, index), shape.points, tensor, shape.person, shape.kind)
    return None


def _write(path: Path, points: Any, tensor: Any, person: str, kind: str) -> None:
    save_npz(
        path,
        points=np.asarray(points, np.float32),
        tensor=np.asarray(tensor, np.float32),
        person=np.array(person),
        kind=np.array(kind),
    )


def sample_path(work: Path, index: int) -> Path:
    """Return where sample `index` is kept."""
    return work / "samples" / f"{index:05d}.npz"


def simulate(
    sources: tuple[Source, ...],
    data: Path,
    work: Path,
    count: int,
    *,
    seed: int = 0,
    jobs: int = -1,
    backend: str = "loky",
) -> tuple[int, dict[int, str]]:
    """Simulate the first `count` members of the population that are not on disk yet.

    Parameters
    ----------
    sources, data, work
        The real vertebrae, their folder, and the folder that keeps all results.
    count
        Size of the population.
    seed
        Of the population.
    jobs, backend
        Of `joblib.parallel_config`: ``loky`` runs local processes; a registered ``dask`` or ``ray`` backend a cluster.

    Returns
    -------
    Number of samples on disk, and the failures by index.
    """
    claim(work / "samples", sources=sorted(source.name for source in sources), seed=seed)
    shapes = register(sources, data, work)
    find_geodesics(shapes, Bundle().template, work, jobs)
    log = work / "failures.jsonl"
    failures = (
        {line["index"]: line["reason"] for line in map(json.loads, log.read_text().splitlines())}
        if log.exists()
        else {}
    )
    todo = [i for i in range(count) if not sample_path(work, i).exists() and i not in failures]

    def run(index: int) -> tuple[int, str | None]:
        return index, _one(index, sources, data, work, seed)

    with parallel_config(backend=backend, n_jobs=jobs), log.open("a") as file:
        results = Parallel(return_as="generator_unordered")(delayed(run)(i) for i in todo)
        for index, reason in tqdm(results, total=count, initial=count - len(todo), desc="simulating", unit="shape"):
            if reason:
                failures[index] = reason
                file.write(json.dumps({"index": index, "reason": reason}) + "\n")
                file.flush()
    failures = {index: reason for index, reason in failures.items() if index < count}
    return sum(sample_path(work, i).exists() for i in range(count)), failures


def simulate_real(sources: tuple[Source, ...], data: Path, work: Path) -> None:
    """Solve the registered vertebrae themselves (no mirror images): the held-out truth; kept in ``work/real``."""
    (work / "real").mkdir(parents=True, exist_ok=True)
    bundle = Bundle()
    template = bundle.template
    plan: Plan | None = None
    for shape in tqdm(register(sources, data, work, mirrored=False), desc="solving real vertebrae"):
        path = work / "real" / f"{shape.name}.npz"
        if path.exists():
            continue
        plan = plan or Plan(template.tets, len(template.nodes), template.fixed_nodes)
        force = endplate_traction(shape.points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
        _write(path, shape.points, solve(shape.points, plan, force).field.tensor, shape.person, "real")


def read_samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples of a folder, by name."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as stored:
            yield Sample(stored["points"], stored["tensor"], str(stored["person"]), str(stored["kind"]), path.stem)
