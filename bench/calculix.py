"""The independent peer: the same problem solved by CalculiX (Debian package `calculix-ccx`)."""

from __future__ import annotations

import io
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from models.types import Floats, Ints
from workers.fem.material import Material

EVERY_S = 0.05
"""Time between two looks at the memory of ccx, which runs for seconds."""
ITERATIVE, DIRECT = "ITERATIVE SCALING", "SPOOLES"
"""Solvers of ccx. With prescribed displacements the iterative one stops early: on the template's coarse mesh between
plates its displacement of the processes, which nothing loads, was off by 4 %; so those problems are solved directly."""
MATERIAL = """*MATERIAL, NAME={name}
*ELASTIC
{young_mpa:.10g}, {poisson}
*SOLID SECTION, ELSET={name}, MATERIAL={name}
"""
STEP = """*BOUNDARY
FIXED, 1, 3
*STEP
*STATIC, SOLVER={solver}
"""


@dataclass(frozen=True)
class CalculixResult:
    """Nodal results of a CalculiX run.

    Attributes
    ----------
    displacement
        (n, 3) mm.
    tensor
        (n, 6) MPa: xx, yy, zz, xy, yz, zx; CalculiX averages the elements around a node.
    seconds, cpu_seconds
        Wall-clock and CPU time of the ccx process.
    peak_mb
        Its peak resident memory, MB.
    """

    displacement: Floats
    tensor: Floats
    seconds: float
    cpu_seconds: float
    peak_mb: float


def executable() -> str | None:
    """Return the path of ccx, or None where it is not installed."""
    return shutil.which("ccx")


def solve_with_calculix(
    points: Floats,
    tets: Ints,
    fixed: Ints,
    force: Floats,
    material: Material | None = None,
    *,
    prescribed: Floats | None = None,
    threads: int = 2,
) -> CalculixResult:
    """Write an input deck, run ccx, read the result file back.

    Parameters
    ----------
    points, tets, fixed, force, material, prescribed
        As in `workers.fem.solve`: mm and N. Each modulus that occurs becomes a material of the deck, so let the
        elements of a large mesh share some hundred.
    threads
        Threads ccx may use.
    """
    ccx = executable()
    if ccx is None:
        raise RuntimeError("ccx is not installed: apt-get install calculix-ccx")
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "job.inp").open("w") as deck:
            _write_mesh(deck, points, tets, fixed)
            _write_materials(deck, material or Material())
            _write_step(deck, force, fixed, prescribed)
        start, cpu_start = time.perf_counter(), _cpu_of_children()
        process = subprocess.Popen(
            [ccx, "-i", "job"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": str(threads), "CCX_NPROC_STIFFNESS": str(threads)},
        )
        peak = _wait(process)
        seconds, cpu_seconds = time.perf_counter() - start, _cpu_of_children() - cpu_start
        if process.returncode:
            raise RuntimeError(f"ccx ended with status {process.returncode}")
        displacement, tensor = _read_frd(Path(folder) / "job.frd", len(points))
    return CalculixResult(displacement, tensor, seconds, cpu_seconds, peak)


def _cpu_of_children() -> float:
    """Return the CPU time, seconds, of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait(process: subprocess.Popen[bytes]) -> float:
    """Wait for the process to end and return its peak resident memory in MB; 0 where there is no /proc."""
    peak = 0.0
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            line = next((x for x in status.read_text().splitlines() if x.startswith("VmHWM")), "VmHWM: 0 kB")
            peak = max(peak, int(line.split()[1]) / 1000.0)
        except OSError:
            pass
        time.sleep(EVERY_S)
    return peak


def _write_mesh(deck: TextIO, points: Floats, tets: Ints, fixed: Ints) -> None:
    deck.write("*NODE, NSET=ALL\n")
    np.savetxt(deck, np.column_stack([np.arange(1, len(points) + 1), points]), fmt="%d, %.10g, %.10g, %.10g")
    deck.write("*ELEMENT, TYPE=C3D4, ELSET=BONE\n")
    np.savetxt(deck, np.column_stack([np.arange(1, len(tets) + 1), tets + 1]), fmt="%d", delimiter=", ")
    deck.write("*NSET, NSET=FIXED\n")
    np.savetxt(deck, fixed + 1, fmt="%d,")


def _write_materials(deck: TextIO, material: Material) -> None:
    if material.grade is None:
        deck.write(MATERIAL.format(name="BONE", young_mpa=material.young_mpa, poisson=material.poisson))
        return
    grades, of_element = np.unique(material.grade, return_inverse=True)
    for i, grade in enumerate(grades):
        deck.write(f"*ELSET, ELSET=BONE{i}\n")
        np.savetxt(deck, np.flatnonzero(of_element == i) + 1, fmt="%d,")
        young_mpa = float(grade) * material.young_mpa
        deck.write(MATERIAL.format(name=f"BONE{i}", young_mpa=young_mpa, poisson=material.poisson))


def _write_step(deck: TextIO, force: Floats, fixed: Ints, prescribed: Floats | None) -> None:
    deck.write(STEP.format(solver=ITERATIVE if prescribed is None else DIRECT))
    if prescribed is not None:
        deck.write("*BOUNDARY\n")
        moved = fixed[np.abs(prescribed[fixed]).max(axis=1) > 0.0]
        for axis in range(3):
            rows = np.column_stack([moved + 1, np.full((len(moved), 2), axis + 1), prescribed[moved, axis]])
            np.savetxt(deck, rows, fmt="%d, %d, %d, %.12g")
    loaded = np.flatnonzero(np.abs(force).max(axis=1) > 0.0)
    if len(loaded):
        deck.write("*CLOAD\n")
    for axis in range(3):
        rows = np.column_stack([loaded + 1, np.full(len(loaded), axis + 1), force[loaded, axis]])
        np.savetxt(deck, rows, fmt="%d, %d, %.12g")
    deck.write("*NODE FILE\nU\n*EL FILE\nS\n*END STEP\n")


def _read_frd(path: Path, n: int) -> tuple[Floats, Floats]:
    """Read nodal displacement and stress from an ASCII .frd file (fixed columns: key, node, 12 characters a value)."""
    blocks: dict[str, Floats] = {}
    name, rows = "", list[str]()
    with path.open() as lines:
        for line in lines:
            if line.startswith(" -4"):
                name, rows = line.split()[1], []
            elif line.startswith(" -1") and name in ("DISP", "STRESS"):
                rows.append(line)
            elif line.startswith(" -3") and rows:
                blocks[name] = _parse(rows, 3 if name == "DISP" else 6, n)
                name, rows = "", []
    return blocks["DISP"], blocks["STRESS"]


def _parse(rows: list[str], columns: int, n: int) -> Floats:
    """Return the values (n, columns) of the lines of one block, in node order."""
    widths = [3, 10] + [12] * columns
    table = np.genfromtxt(io.StringIO("".join(rows)), delimiter=widths)
    out = np.zeros((n, columns))
    out[table[:, 1].astype(int) - 1] = table[:, 2:]
    return out
