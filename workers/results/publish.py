"""The last stage: write every result file of a job into a folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.contract.report import Report
from models.types import Floats
from workers.mask.ct_grid import PlacedMask
from workers.results.build_report import TIMING_DECIMALS
from workers.results.captions import Caption
from workers.results.mask_file import write_mask
from workers.results.preview import write_preview
from workers.results.stressed_mesh import StressedMesh
from workers.results.viewer import write_viewer
from workers.results.vtk_files import write_stress_vtu, write_surface_vtp

SPINE_PICTURE = "spine.png"
"""Of a job without a mask; it is drawn once the vertebra is located, so that a job that fails later has it too."""
WRITERS = 2
"""Files that are written side by side; the preview takes about as long as all others."""
MEDIA_TYPES: Mapping[str, str] = {
    "stress.vtu": "application/vnd.vtk.vtu",
    "surface.vtp": "application/vnd.vtk.vtp",
    "mask.nii.gz": "application/gzip",
    "report.json": "application/json",
    "preview.png": "image/png",
    "viewer.html": "text/html; charset=utf-8",
    SPINE_PICTURE: "image/png",
}
"""The result files in the order they are listed: all of a job without a mask, all but the last with one."""


@dataclass(frozen=True)
class ResultFile:
    """One result file: its name in the API, its path, and its media type."""

    name: str
    path: Path
    media_type: str


def publish(out_dir: Path, mesh: StressedMesh, report: Report, mask: PlacedMask, affine: Floats) -> list[ResultFile]:
    """Write six result files into a folder; return them and the picture of the spine where it is there.

    Parameters
    ----------
    out_dir
        Folder to write into; made if missing. The picture of the spine is there already where no mask was sent.
    mesh
        The subject mesh and its stress.
    report
        The report so far; its timings gain ``write``, the seconds that the other five files took.
    mask
        The vertebra on the CT's grid.
    affine
        (4, 4) float64, the CT's voxel-to-world affine, mm, RAS+.
    """
    start = time.perf_counter()
    out_dir.mkdir(parents=True, exist_ok=True)
    caption = Caption(report.vertebra, report.load_newton, report.fidelity)
    with ThreadPoolExecutor(WRITERS) as pool:  # compression runs beside the drawing of the preview
        tasks = [
            pool.submit(write_preview, out_dir / "preview.png", mesh, caption),
            pool.submit(write_mask, out_dir / "mask.nii.gz", mask, affine),
            pool.submit(write_stress_vtu, out_dir / "stress.vtu", mesh, caption),
            pool.submit(write_surface_vtp, out_dir / "surface.vtp", mesh, caption),
            pool.submit(write_viewer, out_dir / "viewer.html", mesh, caption),
        ]
        for task in tasks:
            task.result()
    timings = {**report.timings_s, "write": round(time.perf_counter() - start, TIMING_DECIMALS)}
    complete = report.model_copy(update={"timings_s": timings})
    (out_dir / "report.json").write_text(complete.model_dump_json(indent=2) + "\n", "utf-8")
    files = [ResultFile(name, out_dir / name, media_type) for name, media_type in MEDIA_TYPES.items()]
    return [file for file in files if file.path.exists()]
