"""Simulation of the population with the workers' own finite elements; it may be killed at any point and started again.

Each sample is one file. A shape that cannot be meshed or solved leaves a line with the reason in ``failures.jsonl``. It
is counted, reported at the end, and not tried again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numba
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from app.contract.errors import VertebraError
from models.bundle import Bundle
from models.template import Template
from models.types import Floats
from training.artifacts.files import record_settings
from training.shapes.geodesics import find_geodesics
from training.shapes.population import Population
from training.shapes.registration import register
from training.shapes.sources import Source
from training.surrogates.simulation.samples import sample_path, write_sample
from workers.fem.loads import REFERENCE_LOAD_NEWTON, endplate_traction
from workers.fem.solve import solve
from workers.fem.solve_plan import SolvePlan
from workers.mesh.subject_mesh import MeshMorpher


@dataclass(frozen=True)
class PopulationInputs:
    """What the population is made from.

    Attributes
    ----------
    sources, data
        The real vertebrae and their folder.
    work
        Folder that keeps all results.
    seed
        Seed of the population.
    """

    sources: tuple[Source, ...]
    data: Path
    work: Path
    seed: int = 0


def simulate(inputs: PopulationInputs, count: int, jobs: int = -1, backend: str = "loky") -> None:
    """Solve the real vertebrae and the first `count` members of the population; print how many failed, and why.

    Parameters
    ----------
    inputs
        What the population is made from.
    count
        Size of the population.
    jobs, backend
        Of `joblib.parallel_config`: ``loky`` runs local processes, a registered ``dask`` or ``ray`` backend a cluster.
    """
    simulate_real(inputs.sources, inputs.data, inputs.work)
    done, failures = simulate_population(inputs, count, jobs, backend)
    print(f"{done} of {count} shapes simulated in {inputs.work / 'samples'}; {len(failures)} failed")
    for index, reason in sorted(failures.items()):
        print(f"  {index}: {reason}")


def simulate_real(sources: tuple[Source, ...], data: Path, work: Path) -> None:
    """Solve the registered vertebrae themselves, without mirror images; kept in ``work/real``.

    Surrogates are tested on these solutions; no surrogate is trained on them.
    """
    (work / "real").mkdir(parents=True, exist_ok=True)
    template = Bundle().template
    plan: SolvePlan | None = None
    for shape in tqdm(register(sources, data, work, mirrored=False), desc="solving real vertebrae"):
        path = work / "real" / f"{shape.name}.npz"
        if path.exists():
            continue
        plan = plan or _solver_plan(template)
        write_sample(path, shape.points, _nodal_stress(shape.points, template, plan), shape.person, "real")


def simulate_population(
    inputs: PopulationInputs, count: int, jobs: int = -1, backend: str = "loky"
) -> tuple[int, dict[int, str]]:
    """Simulate the first `count` members of the population that are not on disk yet.

    Parameters
    ----------
    inputs, count, jobs, backend
        As in `simulate`.

    Returns
    -------
    Number of samples on disk, and the reason of each failure by index.
    """
    work = inputs.work
    record_settings(work / "samples", sources=sorted(source.name for source in inputs.sources), seed=inputs.seed)
    shapes = register(inputs.sources, inputs.data, work)
    find_geodesics(shapes, Bundle().template, work, jobs)
    log = work / "failures.jsonl"
    failures = _read_failures(log)
    todo = [i for i in range(count) if not sample_path(work, i).exists() and i not in failures]

    def run(index: int) -> tuple[int, str | None]:
        return index, _simulate_one(inputs, index)

    with parallel_config(backend=backend, n_jobs=jobs), log.open("a") as file:
        results = Parallel(return_as="generator_unordered")(delayed(run)(i) for i in todo)
        for index, reason in tqdm(results, total=count, initial=count - len(todo), desc="simulating", unit="shape"):
            if reason:
                failures[index] = reason
                file.write(json.dumps({"index": index, "reason": reason}) + "\n")
                file.flush()
    failures = {index: reason for index, reason in failures.items() if index < count}
    return sum(sample_path(work, i).exists() for i in range(count)), failures


def _read_failures(log: Path) -> dict[int, str]:
    if not log.exists():
        return {}
    return {line["index"]: line["reason"] for line in map(json.loads, log.read_text().splitlines())}


def _simulate_one(inputs: PopulationInputs, index: int) -> str | None:
    """Simulate sample `index` and write it; return the reason where it cannot be meshed or solved."""
    with threadpool_limits(1):
        population, plan = _process_state(inputs)
        try:
            shape = population.shape(index)
            tensor = _nodal_stress(shape.points, population.morpher.template, plan)
        except VertebraError as error:
            return f"{type(error).__name__}: {error}"
    write_sample(sample_path(inputs.work, index), shape.points, tensor, shape.person, shape.kind)
    return None


@lru_cache(maxsize=1)
def _process_state(inputs: PopulationInputs) -> tuple[Population, SolvePlan]:
    """Return this process's population and solver plan, made once."""
    numba.set_num_threads(1)  # processes share the machine, not threads
    bundle = Bundle()
    template = bundle.template
    shapes = register(inputs.sources, inputs.data, inputs.work)
    paths = find_geodesics(shapes, template, inputs.work, jobs=1)
    population = Population(shapes, paths, MeshMorpher(template, bundle.shape_model), inputs.seed)
    return population, _solver_plan(template)


def _solver_plan(template: Template) -> SolvePlan:
    return SolvePlan(template.tets, len(template.nodes), template.fixed_nodes)


def _nodal_stress(points: Floats, template: Template, plan: SolvePlan) -> Floats:
    """Return the nodal stress (n, 6), MPa, of a mesh (n, 3), mm, under the reference load."""
    force = endplate_traction(points, template.superior, template.inferior, REFERENCE_LOAD_NEWTON)
    tensor = solve(points, plan, force).field.tensor
    assert tensor is not None
    return tensor
