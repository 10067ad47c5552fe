"""A worker that must have a GPU refuses to start where ONNX Runtime would take the CPU without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.bundle import CPU, CUDA, LANDMARKS, PROVIDERS, Bundle, DeviceError
from tests.app.harness import ROOT

onnxruntime = pytest.importorskip("onnxruntime")


class SilentCpu:
    """What onnxruntime-gpu does on a machine without a driver: it offers CUDA, and its sessions run on the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        real = onnxruntime.InferenceSession

        def open_session(model: bytes, options: object, providers: list[str]) -> object:
            self.asked = list(providers)
            return real(model, options, providers=[CPU])

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)


def test_a_session_that_fell_back_to_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = SilentCpu(monkeypatch)
    with pytest.raises(DeviceError, match=rf"{LANDMARKS} runs on {CPU}, but VERTEBRA_DEVICE=cuda demands {CUDA}"):
        Bundle(device="cuda").session(LANDMARKS)
    assert silent.asked == [CUDA, CPU]


def test_without_a_demand_the_provider_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = SilentCpu(monkeypatch)
    for device, asked in (("auto", [CUDA, CPU]), ("cpu", [CPU])):
        bundle = Bundle(device=device)
        bundle.session(LANDMARKS)
        assert silent.asked == asked == list(PROVIDERS[device])
        assert bundle.providers == {LANDMARKS: CPU}


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="this machine may have a usable GPU")
def test_a_worker_ends_at_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "workers.celery_app", "worker"],
        cwd=ROOT,
        env=os.environ
        | {
            "VERTEBRA_DEVICE": "cuda",
            "VERTEBRA_DATA_DIR": str(tmp_path),
            "VERTEBRA_BROKER_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "VERTEBRA_DEVICE=cuda demands CUDAExecutionProvider" in done.stderr
