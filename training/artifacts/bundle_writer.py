"""Write the bundle's artifacts and the manifest that names and fingerprints them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import COORDINATE_STEP_MM
from models.row_coding import encode_rows
from models.shape_model import ShapeModel
from models.template import Template
from models.types import Bools, Ints

VERSION = "0.10.1"
"""Of the bundle; the manifest has it, and the report of every job."""
TRIANGLE_KEY = np.array([1, 1 << 20, 1 << 40])
"""Packs the three node ids of a triangle into one number."""
NO_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time stamp that a zip archive can have."""


def write_template(folder: Path, template: Template) -> None:
    """Write ``template.npz``: coordinates in steps of 0.002 mm, differences of indices, LZMA."""
    steps = np.round(template.nodes / COORDINATE_STEP_MM).astype(np.int64)
    write_npz(
        folder / "template.npz",
        nodes=np.diff(steps, axis=0, prepend=0).astype(np.int32),
        tets=encode_rows(template.tets),
        triangles=encode_rows(template.triangles),
        region=template.region,
        superior=np.packbits(_is_row_of(template.triangles, template.superior)),
        inferior=np.packbits(_is_row_of(template.triangles, template.inferior)),
    )


def write_shape_model(folder: Path, model: ShapeModel) -> None:
    """Write ``shape_model.npz``; weights are float32 (they cancel, half precision loses 0.1 mm)."""
    write_npz(folder / "shape_model.npz", landmarks=model.landmarks, weights=model.weights)


def write_manifest(folder: Path, **details: Any) -> None:
    """Write ``manifest.json`` over the folder's present artifacts; `details` are kept beside the file list."""
    path = folder / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    files = {
        file.name: {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in sorted(folder.iterdir())
        if file.name not in ("manifest.json", "README.md")
    }
    manifest |= {"name": "l1", "version": VERSION, "files": files} | details
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def _is_row_of(rows: Ints, subset: Ints) -> Bools:
    """Return which of the triangles `rows` (t, 3) are among `subset`; node ids are below 2^20."""
    key = rows.astype(np.int64) @ TRIANGLE_KEY
    return np.isin(key, subset.astype(np.int64) @ TRIANGLE_KEY)


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Like `numpy.savez`, with LZMA and fixed time stamps, so that equal arrays give equal bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=NO_TIME)
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, buffer.getvalue())
