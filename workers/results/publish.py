"""The last stage: write every result file of a job into a folder."""

from __future__ import annotations

import gzip
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from app.contract.report import Report
from models.template import Template
from models.types import Floats
from workers.fem.field import StressField
from workers.results.captions import Caption, ExtraArray
from workers.results.preview import write_preview
from workers.results.viewer import write_viewer
from workers.results.vtk_files import write_stress_vtu, write_surface_vtp

GZIP_LEVEL = 1
SCANNER = 1
"""NIfTI xform code "scanner anatomical"."""
MEDIA_TYPES: Mapping[str, str] = {
    "stress.vtu": "application/vnd.vtk.vtu",
    "surface.vtp": "application/vnd.vtk.vtp",
    "mask.nii.gz": "application/gzip",
    "report.json": "application/json",
    "preview.png": "image/png",
    "viewer.html": "text/html; charset=utf-8",
}
"""The result files of every job, in the order they are listed."""


@dataclass(frozen=True)
class ResultFile:
    """One published file: its name in the API, where it lies, and its media type."""

    name: str
    path: Path
    media_type: str


def publish(
    out_dir: Path,
    *,
    template: Template,
    points: Floats,
    field: StressField,
    report: Report,
    mask: NDArray[Any],
    affine: Floats,
    extra: Mapping[str, ExtraArray] | None = None,
) -> list[ResultFile]:
    """Write the six result files into `out_dir` (made if missing).

    Parameters
    ----------
    out_dir
        Folder to write into; publishing it under a URL is the caller's work.
    template, points, field
        Topology; (n, 3) float64 node positions, mm, RAS+; nodal stress, MPa.
    report
        The report so far; its timings gain ``write``, the time the other five files took, s.
    mask
        (i, j, k) cleaned mask on the CT's grid, non-zero inside the vertebra.
    affine
        (4, 4) float64, the CT's voxel-to-world affine, mm, RAS+.
    extra
        Further nodal arrays for the two VTK files.
    """
    start = time.perf_counter()
    out_dir.mkdir(parents=True, exist_ok=True)
    meta = Caption(report.vertebra, report.load_newton, report.fidelity)
    write_stress_vtu(out_dir / "stress.vtu", template, points, field, meta, extra)
    write_surface_vtp(out_dir / "surface.vtp", template, points, field, meta, extra)
    write_mask(out_dir / "mask.nii.gz", mask, affine)
    write_preview(out_dir / "preview.png", template, points, field, meta)
    write_viewer(out_dir / "viewer.html", template, points, field, meta)
    timings = {**report.timings_s, "write": round(time.perf_counter() - start, 4)}
    final = report.model_copy(update={"timings_s": timings})
    (out_dir / "report.json").write_text(final.model_dump_json(indent=2) + "\n", "utf-8")
    return [ResultFile(name, out_dir / name, media_type) for name, media_type in MEDIA_TYPES.items()]


def write_mask(path: Path, mask: NDArray[Any], affine: Floats) -> None:
    """Write a binary mask (i, j, k) as uint8 NIfTI-1 with both transforms, in mm; the same bytes every time.

    A sheared affine has no quaternion, so its qform code is 0 (unknown) and only the sform holds.
    """
    image = nib.Nifti1Image((np.asarray(mask) != 0).astype(np.uint8), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, SCANNER)
    image.set_qform(affine, SCANNER)
    if not np.allclose(image.get_qform(), affine, atol=1e-3):
        image.set_qform(None, 0)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as stream:
        stream.write(image.to_bytes())
