"""The media type of each result file, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping

from app.contract.params import ResultName

MEDIA_TYPES: Mapping[ResultName, str] = {
    "stress.vtu": "application/vnd.vtk.vtu",
    "surface.vtp": "application/vnd.vtk.vtp",
    "mask.nii.gz": "application/gzip",
    "report.json": "application/json",
    "preview.png": "image/png",
    "report.pdf": "application/pdf",
    "viewer.html": "text/html; charset=utf-8",
    "spine.png": "image/png",
    "surface.stl": "model/stl",
    "surface.ply": "model/ply",
    "surface.glb": "model/gltf-binary",
    "segmentation.dcm": "application/dicom",
    "measurements.dcm": "application/dicom",
    "report.dcm": "application/dicom",
}
"""The result files in the order they are listed. `spine.png` is that of a job without a mask, the last three are those
of a CT that came as DICOM."""

CONTENTS: Mapping[ResultName, str] = {
    "stress.vtu": "The tetrahedral mesh with the nodal arrays below. Opens in ParaView, PyVista, VTK and meshio.",
    "surface.vtp": "The outer surface with the same arrays, for the first nodes of the mesh.",
    "mask.nii.gz": "The cleaned mask on the grid of the CT: 1 where the vertebra is, 0 elsewhere.",
    "report.json": "The job in numbers: what it computed and how sure it is. Every job that succeeds has it.",
    "preview.png": "Warnings, and three views with a colour bar. With `both`: prediction, solution and difference; "
    "with `material` `density`: cuts through density, stress and yield ratio.",
    "report.pdf": "One A4 page to print and to file: warnings, how sure the report is, key numbers and the pictures. "
    "Nothing of the patient.",
    "viewer.html": "An interactive page that needs no network: the bone in 3-D, cuts through it, and the CT about it "
    "in three planes with the mask's outline and the stress. "
    "With `material` `density` it shows density, Young's modulus and yield ratio too.",
    "surface.stl": "The outer surface, binary STL, mm; it has no colours.",
    "surface.ply": "The outer surface, PLY, mm; a vertex has its von Mises stress as colour and as `von_mises`, MPa. "
    "With `material` `density` it has `density`, `young_modulus` and `yield_ratio` too.",
    "surface.glb": "The outer surface, glTF 2.0 with the same colours; upright and in metres, as glTF wants it.",
    "segmentation.dcm": "Of a CT that came as DICOM: the mask as segmentation (SEG) of its images, in their study and "
    "with their patient.",
    "measurements.dcm": "Of such a CT: the key numbers as structured report (SR, TID 1500) on that segmentation, with "
    "the warnings as comments.",
    "report.dcm": "Of such a CT: `report.pdf` as encapsulated PDF in its study.",
    "spine.png": "Without a mask: the row of vertebral bodies from the side, each with its level and how probable that "
    "is; the chosen one ringed. A refused job has it too.",
}
"""What each result file holds, for a reader; Markdown."""
