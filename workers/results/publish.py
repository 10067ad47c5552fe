"""The last stage: write every result file of a job into a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from PIL.Image import Image

from app.contract.params import ResultName
from app.contract.report import Bone, Report
from app.contract.result_files import MEDIA_TYPES
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_results.contents import Stressed
from workers.dicom_results.files import write_dicom_files
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume
from workers.mask.cleaning import CleanMask
from workers.mask.ct_grid import PlacedMask, onto_ct_grid
from workers.results.build_report import TIMING_DECIMALS
from workers.results.captions import Caption, is_uncalibrated
from workers.results.ct_slices import CtSlices
from workers.results.mask_file import write_mask
from workers.results.pdf_report import report_pdf
from workers.results.preview import draw_views, write_preview
from workers.results.stressed_mesh import StressedMesh
from workers.results.surface_files import write_surface_glb, write_surface_ply, write_surface_stl
from workers.results.viewer import write_viewer
from workers.results.vtk_files import write_stress_vtu, write_surface_vtp

SPINE_PICTURE: ResultName = "spine.png"
"""Of a job without a mask; it is drawn once the vertebra is located, so that a job that fails later has it too."""
WRITERS = 2
"""Files that are written side by side; the preview takes about as long as all others."""


@dataclass(frozen=True)
class ResultFile:
    """One result file: its name in the API, its path, and its media type."""

    name: str
    path: Path
    media_type: str


@dataclass(frozen=True)
class Contents:
    """What the result files of one vertebra show.

    Attributes
    ----------
    mesh
        The subject mesh and its stress.
    report
        The report so far.
    vertebra
        What `mask.nii.gz` shows.
    grid
        Of the CT, on which it shows it.
    ct
        HU, about the vertebra at least: what `viewer.html` shows in slices. None: it shows none.
    source
        The DICOM images that the CT was read from; None where a NIfTI file was sent.
    views
        The pictures of the stress, from `drawing`; None where no file shows them.
    made_at
        When the results were made, UTC.
    """

    mesh: StressedMesh
    report: Report
    vertebra: CleanMask
    grid: Grid
    ct: Volume | None = None
    source: SourceDicom | None = None
    views: Future[Image] | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def drawn(self) -> Image:
        """The pictures of the stress. It waits for them."""
        assert self.views is not None
        return self.views.result()

    @property
    def pdf(self) -> bytes:
        """The one-page report."""
        return report_pdf(self.report, self.drawn, self.made_at)

    @property
    def mask(self) -> PlacedMask:
        """The mask on the grid of the CT."""
        return onto_ct_grid(self.vertebra, self.grid)

    @property
    def slices(self) -> CtSlices | None:
        """The CT and the mask in it, for the viewer."""
        return CtSlices(self.ct, self.vertebra) if self.ct is not None else None

    @property
    def caption(self) -> Caption:
        """What every file says about itself."""
        return Caption.of(self.report)


@contextmanager
def drawing(
    mesh: StressedMesh, bone: Bone | None, wants: Callable[[ResultName], bool]
) -> Iterator[Future[Image] | None]:
    """Draw the pictures of the stress, where a file shows them, beside what the caller does meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        is_shown = any(wants(name) for name in DRAWN)
        yield pool.submit(draw_views, mesh, is_uncalibrated(bone)) if is_shown else None


def publish(out_dir: Path, contents: Contents, wants: Callable[[ResultName], bool]) -> tuple[Report, list[ResultFile]]:
    """Write the result files of a vertebra into a folder; return the report, and them.

    Parameters
    ----------
    out_dir
        Folder to write into; made if missing. The picture of the spine is there already where no mask was sent.
    contents
        What they show. The report's timings gain ``write``, the seconds that the other files took.
    wants
        Whether the job makes a file of this name (`app.contract.params.JobParams.wants`).
    """
    start = time.perf_counter()
    out_dir.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(WRITERS) as pool:  # compression runs beside the drawing
        tasks = [pool.submit(write, out_dir / name, contents) for name, write in WRITE.items() if wants(name)]
        for task in tasks:
            task.result()
    report = contents.report
    warnings = [*report.warnings, *write_dicom_files(out_dir, contents.source, lambda: _dicom(contents), wants)]
    timings = {**report.timings_s, "write": round(time.perf_counter() - start, TIMING_DECIMALS)}
    complete = report.model_copy(update={"timings_s": timings, "warnings": warnings})
    (out_dir / "report.json").write_text(complete.model_dump_json(indent=2) + "\n", "utf-8")
    files = [ResultFile(name, out_dir / name, media_type) for name, media_type in MEDIA_TYPES.items()]
    return complete, [file for file in files if file.path.exists()]


def _dicom(contents: Contents) -> Stressed:
    return Stressed(contents.report, contents.mask, contents.grid.affine, contents.pdf, contents.made_at)


WRITE: Mapping[ResultName, Callable[[Path, Contents], object]] = {
    "mask.nii.gz": lambda path, contents: write_mask(path, contents.mask, contents.grid.affine),
    "stress.vtu": lambda path, contents: write_stress_vtu(path, contents.mesh, contents.caption),
    "surface.vtp": lambda path, contents: write_surface_vtp(path, contents.mesh, contents.caption),
    "viewer.html": lambda path, contents: write_viewer(path, contents.mesh, contents.caption, contents.slices),
    "surface.stl": lambda path, contents: write_surface_stl(path, contents.mesh, contents.caption),
    "surface.ply": lambda path, contents: write_surface_ply(path, contents.mesh, contents.caption),
    "surface.glb": lambda path, contents: write_surface_glb(path, contents.mesh, contents.caption),
    "preview.png": lambda path, contents: write_preview(path, contents.drawn, contents.caption),
    "report.pdf": lambda path, contents: path.write_bytes(contents.pdf),
}
"""How each file beside the report is written; those that wait for the drawing last."""
DRAWN: tuple[ResultName, ...] = ("preview.png", "report.pdf", "report.dcm")
"""The files that show the views, which take longest and are drawn once, before all others."""
