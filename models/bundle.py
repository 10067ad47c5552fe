"""The model bundle: files, their checksums, and loading them. Nothing is opened before its sha256 has been verified.

``manifest.json`` in the bundle's folder lists every file with size and sha256; `manifest` imports no framework.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.shape_model import ShapeModel
from models.tangent import TangentModel
from models.template import Template
from models.types import Bytes, Ints

DEFAULT_BUNDLE = Path(__file__).parent / "l1"
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
LOCATOR, SEGMENTER, LANDMARKS = NETWORKS = ("locator.onnx", "segmenter.onnx", "junctions.onnx")
"""The networks that find and segment a vertebra."""
COORDINATE_STEP_MM = 2.0**-9
"""Resolution at which node coordinates are stored (0.002 mm): a hundredth of the fit's own accuracy."""


class BundleError(RuntimeError):
    """A bundle file is missing, or is not the one its manifest names."""


class Bundle:
    """A folder of model artifacts.

    Parameters
    ----------
    folder
        Folder that holds ``manifest.json``; the shipped bundle by default.

    Raises
    ------
    BundleError
        The manifest is missing, or (on access) a file differs from its sha256.
    """

    def __init__(self, folder: Path = DEFAULT_BUNDLE) -> None:
        self.folder = folder
        path = folder / "manifest.json"
        if not path.is_file():
            raise BundleError(f"no model bundle in {folder}: run `python -m training template`")
        self.manifest: dict[str, Any] = json.loads(path.read_text())

    @property
    def version(self) -> str:
        """Version of the bundle."""
        return str(self.manifest["version"])

    def has(self, *names: str) -> bool:
        """Whether the manifest lists all of these files."""
        return all(name in self.manifest["files"] for name in names)

    def read(self, name: str) -> bytes:
        """Return the bytes of file `name`; raises `BundleError` where they are not those of the manifest."""
        entry = self.manifest["files"].get(name)
        path = self.folder / name
        if entry is None or not path.is_file():
            raise BundleError(f"the bundle {self.folder} has no file {name}")
        data = path.read_bytes()
        got = hashlib.sha256(data).hexdigest()
        if got != entry["sha256"]:
            raise BundleError(f"{path} was changed: expected sha256 {entry['sha256']}, got {got}")
        return data

    def session(self, name: str, keep_memory: bool = True) -> Any:
        """Return an `onnxruntime.InferenceSession` of the ONNX graph `name`, on the GPU where there is a usable one.

        ``session.get_providers()`` tells what it really runs on. Without `keep_memory` it gives its working memory back
        after each run. Raises `BundleError` as `read` does.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = keep_memory
        usable = [p for p in PROVIDERS if p in onnxruntime.get_available_providers()]
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(self.read(name), options, providers=usable)

    @cached_property
    def template(self) -> Template:
        """The reference finite-element mesh."""
        with np.load(io.BytesIO(self.read("template.npz")), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        nodes = np.cumsum(arrays["nodes"].astype(np.int64), axis=0) * COORDINATE_STEP_MM
        tets, triangles = decode_rows(arrays["tets"]), decode_rows(arrays["triangles"])
        return Template(
            nodes=nodes,
            tets=tets,
            triangles=triangles,
            n_surface=int(triangles.max()) + 1,
            region=arrays["region"],
            superior=triangles[np.flatnonzero(np.unpackbits(arrays["superior"], count=len(triangles)))],
            inferior=triangles[np.flatnonzero(np.unpackbits(arrays["inferior"], count=len(triangles)))],
        )

    @cached_property
    def shape_model(self) -> ShapeModel:
        """The deformations of the template."""
        with np.load(io.BytesIO(self.read("shape_model.npz")), allow_pickle=False) as stored:
            return ShapeModel(stored["landmarks"], stored["weights"])

    @cached_property
    def tangent(self) -> TangentModel:
        """The tangent surrogate's model."""
        with np.load(io.BytesIO(self.read("tangent.npz")), allow_pickle=False) as stored:
            return TangentModel.from_arrays({name: stored[name] for name in stored.files})


def encode_rows(rows: NDArray[np.integer]) -> Bytes:
    """Return (m, k) non-negative integers as bytes that compress well: differences along and within rows, by planes.

    Rows keep their order; the first column is differenced down the rows, the others from the column before.
    """
    r = rows.astype(np.int64)
    d = np.concatenate([np.diff(r[:, :1], axis=0, prepend=0), np.diff(r, axis=1)], axis=1)
    zigzag = np.where(d < 0, -2 * d - 1, 2 * d).astype(np.uint32)
    return np.ascontiguousarray(zigzag.T).view(np.uint8).reshape(rows.shape[1], -1, 4).transpose(0, 2, 1).copy()


def decode_rows(stored: Bytes) -> Ints:
    """Invert `encode_rows`."""
    zigzag = np.ascontiguousarray(stored.transpose(0, 2, 1)).view(np.uint32)[..., 0].astype(np.int64).T
    d = np.where(zigzag & 1, -(zigzag + 1) // 2, zigzag // 2)
    first = np.cumsum(d[:, :1], axis=0)
    return np.ascontiguousarray(np.cumsum(np.concatenate([first, d[:, 1:]], axis=1), axis=1).astype(np.int32))


def load_template() -> Template:
    """Return the template of the shipped bundle."""
    return Bundle().template
