"""What a job reads and finds once for all its levels: the CT, and where each level is in it or in the mask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.contract.dicom_series import DicomInput
from app.contract.errors import VertebraError
from app.contract.numbering import Numbering
from app.contract.params import JobParams, Vertebra
from app.contract.report import Inputs
from workers.dicom.read_dicom import DicomCt
from workers.dicom.segmentation_mask import SegmentedMask
from workers.dicom.source_dicom import SourceDicom
from workers.dicom_stage import check_same_space, naming_the_series, read_dicom_mask, read_dicom_upload
from workers.each_level import of_each_level
from workers.imaging.grid import Grid
from workers.imaging.volume import Volume, read_ct, read_ct_near, read_mask
from workers.locate.vertebra_finder import VertebraLocation
from workers.locate_stage import locate_vertebrae
from workers.mask_stage import NEAR_LABEL_MM, Label, read_label_map, take_label, take_numbered_label
from workers.results.provenance import describe_inputs
from workers.stage_clock import StageClock

Where = VertebraLocation | Label


@dataclass(frozen=True)
class Scan:
    """What the levels of a job share.

    Attributes
    ----------
    ct
        HU; of a job with a mask only the planes near its labels.
    grid
        Of the whole CT.
    found
        Of each level that the job asks for: where the networks located it, or its label; or the error that refuses it.
    files
        The CT and, where one was sent, the mask, as uploaded.
    dicom
        Of a CT that came as DICOM: which series it is, and the file of what DICOM results need; else None.
    segmented
        Of a mask that came as DICOM segmentation: the label map; else None.
    """

    ct: Volume
    grid: Grid
    found: dict[Vertebra, Where | VertebraError]
    files: tuple[Path, Path | None]
    dicom: DicomCt | None = None
    segmented: SegmentedMask | None = None

    def where(self, level: Vertebra) -> Where:
        """Return where a level is. Raise the error that refuses it."""
        found = self.found[level]
        if isinstance(found, VertebraError):
            raise found
        return found

    @property
    def converted(self) -> tuple[Path | None, Path | None]:
        """CT and mask as NIfTI, each where it was sent as DICOM; else None."""
        return self.dicom.ct if self.dicom else None, self.segmented.path if self.segmented else None

    @property
    def about_dicom(self) -> DicomInput | None:
        """What the report says of the DICOM series; None where a NIfTI file was sent."""
        return self.dicom.about if self.dicom else None

    @cached_property
    def source(self) -> SourceDicom | None:
        """The DICOM images of the CT, with their patient; None where a NIfTI file was sent."""
        return SourceDicom.load(self.dicom.source) if self.dicom else None

    def inputs_of(self, numbering: Numbering | None) -> Inputs:
        """The files by their SHA-256, with the label of a vertebra where a mask was sent."""
        return self.inputs.model_copy(update={"mask_label": numbering.label if numbering else None})

    @cached_property
    def inputs(self) -> Inputs:
        """The files by their SHA-256."""
        return describe_inputs(*self.files)


def read_scan(ct: Path, mask: Path | None, params: JobParams, out_dir: Path, clock: StageClock) -> Scan:
    """Read the files of a job and find each of its levels.

    A mask is read before the CT, of which only the planes near the labels are kept. Of DICOM files a NIfTI file is made
    first.

    Raises
    ------
    InputError
        A file cannot be used, or every level is refused.
    """
    if mask is None:
        with clock.stage("read") as told:
            dicom = read_dicom_upload(ct, params, out_dir, told)
            with naming_the_series(dicom):
                volume = read_ct(dicom.ct if dicom else ct)
        with clock.stage("localise") as told, naming_the_series(dicom):
            return Scan(volume, volume.grid, {**locate_vertebrae(volume, params, out_dir, told)}, (ct, None), dicom)
    with clock.stage("read") as told:
        segmented = read_dicom_mask(mask, params, out_dir)
        labels = labels_of(segmented.path if segmented else mask, params, segmented.levels if segmented else None)
        grids = [label.piece.grid for label in labels.values() if isinstance(label, Label)]
        dicom = read_dicom_upload(ct, params, out_dir, told)
        with naming_the_series(dicom):
            check_same_space(segmented, dicom)
            near, grid = read_ct_near(dicom.ct if dicom else ct, grids, NEAR_LABEL_MM)
        return Scan(near, grid, {**labels}, (ct, mask), dicom, segmented)


def labels_of(path: Path, params: JobParams, levels: Mapping[int, str] | None) -> dict[Vertebra, Label | VertebraError]:
    """Return the label of each level, cut out of the label map, which is not kept.

    ``levels`` says what the labels are where the mask was a DICOM segmentation whose segments say it.
    """
    labels = read_label_map(read_mask(path), levels)
    take = take_numbered_label if params.has_folders else take_label
    return of_each_level(params, lambda of_level: take(labels, of_level))
