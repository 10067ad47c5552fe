"""The model bundle: artifacts, their checksums, and loading them.

``manifest.json`` in the bundle's folder lists each artifact with its size and sha256. No artifact is opened before its
sha256 is verified.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.row_coding import decode_rows
from models.tangent_model import TangentModel
from models.template import Template

if TYPE_CHECKING:  # it needs numba, which a machine that only trains networks may lack
    from models.shape_model import ShapeModel

DEFAULT_BUNDLE = Path(__file__).parent / "l1"
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
PROVIDERS = {"auto": (CUDA, CPU), "cuda": (CUDA, CPU), "cpu": (CPU,)}
"""Execution providers of ONNX Runtime for each device, the preferred first. CUDA needs the CPU's for some operators."""
LOCATOR, ROW, LANDMARKS, SEGMENTER = NETWORKS = ("locator.onnx", "row.onnx", "junctions.onnx", "segmenter.onnx")
"""The networks that locate and segment a vertebra."""
COORDINATE_STEP_MM = 2.0**-9
"""Resolution at which node coordinates are stored (0.002 mm): a hundredth of the accuracy of a fit."""
ERRORS_ONLY = 3
"""Least severity that ONNX Runtime logs."""


class DeviceError(RuntimeError):
    """A network does not run on the device that the settings demand."""


class BundleError(RuntimeError):
    """An artifact is missing, or is not the one that the manifest names."""


class Bundle:
    """A folder of model artifacts.

    Parameters
    ----------
    folder
        Folder that holds ``manifest.json``; the shipped bundle by default.
    device
        ``cuda`` or ``cpu``; ``auto`` takes the GPU where there is a usable one.

    Attributes
    ----------
    providers
        The execution provider that each open session really has, by the artifact's name.

    Raises
    ------
    BundleError
        The manifest is missing. On access: an artifact is missing or differs from its sha256.
    """

    def __init__(self, folder: Path = DEFAULT_BUNDLE, device: str = "auto") -> None:
        self.folder = folder
        self.providers: dict[str, str] = {}
        self._device = device
        path = folder / "manifest.json"
        if not path.is_file():
            raise BundleError(f"no model bundle in {folder}: run `python -m training template`")
        self.manifest: dict[str, Any] = json.loads(path.read_text())

    @property
    def version(self) -> str:
        """Version of the bundle."""
        return str(self.manifest["version"])

    def has(self, *names: str) -> bool:
        """Whether the manifest lists all of these artifacts."""
        return all(name in self.manifest["files"] for name in names)

    def read(self, name: str) -> bytes:
        """Return the bytes of the artifact `name`; raises `BundleError` where they are not those of the manifest."""
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
        """Return an `onnxruntime.InferenceSession` of the ONNX graph `name`.

        Raises `BundleError` as `read` does, and `DeviceError` where the session is not on the device asked for: ONNX
        Runtime takes the CPU without a word where its CUDA libraries do not fit the machine.

        Parameters
        ----------
        name
            File name of the artifact.
        keep_memory
            Whether the session keeps its working memory between runs; without, it frees the memory after each run.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.enable_cpu_mem_arena = keep_memory
        usable = [p for p in PROVIDERS[self._device] if p in onnxruntime.get_available_providers()]
        options.intra_op_num_threads = os.cpu_count() or 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(self.read(name), options, providers=usable)
        self.providers[name] = session.get_providers()[0]
        if self._device == "cuda" and self.providers[name] != CUDA:
            raise DeviceError(
                f"{name} runs on {self.providers[name]}, but VERTEBRA_DEVICE=cuda demands {CUDA}. The driver, CUDA or "
                "cuDNN is missing or does not fit onnxruntime-gpu; or set VERTEBRA_DEVICE=auto to allow the CPU."
            )
        return session

    @cached_property
    def template(self) -> Template:
        """The template."""
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
        """The shape model."""
        with np.load(io.BytesIO(self.read("shape_model.npz")), allow_pickle=False) as stored:
            from models.shape_model import ShapeModel

            return ShapeModel(stored["landmarks"], stored["weights"])

    @cached_property
    def tangent(self) -> TangentModel:
        """The tangent surrogate's model."""
        with np.load(io.BytesIO(self.read("tangent.npz")), allow_pickle=False) as stored:
            return TangentModel.from_arrays({name: stored[name] for name in stored.files})
