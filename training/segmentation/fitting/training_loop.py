"""A training loop that may be killed at any point and goes on from its last checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from training.artifacts.files import atomic_path

CHECKPOINT = "checkpoint.pt"
CURVES = "curves.json"
TRAINED = "trained.pt"
"""The averaged weights alone: a quarter of a checkpoint."""
CHECKPOINT_EVERY_S = 60.0
"""A killed run loses at most a minute."""
AVERAGE_DECAY = 0.998
"""Decay of the running average of the weights: it reaches back about 500 steps."""
WARM_UP_STEPS = 100
"""Steps over which the learning rate rises to its highest."""
WEIGHT_DECAY = 1e-4
"""Of AdamW."""
GRADIENT_LIMIT = 5.0
"""Norm that gradients are clipped to, so that a strange scan moves the weights little."""

Score = dict[str, float]
Loss = Callable[[nn.Module, int], Tensor]
Validate = Callable[[nn.Module], Score]


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast a network is trained.

    Attributes
    ----------
    steps
        In total, over all runs.
    rate
        Highest learning rate of AdamW; it falls to 0 along a cosine.
    start
        `TRAINED` of another, finished run, whose averaged weights this one begins with.
    validate_every
        Steps between two validations.
    progress
        Whether to show the bar (None: where the output is a terminal).
    device
        Where the network is trained: ``cpu`` or ``cuda``.
    minutes
        The training ends after this time at the latest, over all runs; the learning rate falls faster then.
    """

    steps: int
    rate: float
    start: Path | None = None
    validate_every: int = 250
    progress: bool | None = None
    device: str = "cpu"
    minutes: float | None = None


class TrainingState:
    """All that changes while a network is trained: its weights, their running average, the optimiser, the curves.

    Parameters
    ----------
    model
        What is trained.
    work
        Folder of the checkpoint and of the curves. The state of a checkpoint there is restored.
    settings
        See `TrainingSettings`.
    """

    def __init__(self, model: nn.Module, work: Path, settings: TrainingSettings) -> None:
        self.model, self.work, self.settings = model.to(settings.device), work, settings
        self.average = AveragedModel(model, avg_fn=_average, use_buffers=True)
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=settings.rate, weight_decay=WEIGHT_DECAY)
        self.done, self.seconds = 0, 0.0
        self.curves: list[dict[str, float]] = []
        self.loss_sum, self.loss_count = 0.0, 0
        if (work / CHECKPOINT).exists():
            self._restore()
        elif settings.start is not None:
            load_trained(model, settings.start)
            load_trained(self.average.module, settings.start)

    def _restore(self) -> None:
        state = torch.load(self.work / CHECKPOINT, weights_only=True, map_location=self.settings.device)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.curves, self.seconds = state["done"], state["curves"], state["seconds"]
        self.loss_sum, self.loss_count = state["running"]

    def save(self) -> None:
        """Write the checkpoint, the averaged weights and the curves."""
        steps = self.done if self.finished else self.settings.steps
        trained = {"average": self.average.module.state_dict(), "done": self.done, "steps": steps}
        with atomic_path(self.work / TRAINED) as part:
            torch.save(trained, part)
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
            "seconds": self.seconds,
            "curves": self.curves,
            "running": [self.loss_sum, self.loss_count],
        }
        with atomic_path(self.work / CHECKPOINT) as part:
            torch.save(state, part)
        (self.work / CURVES).write_text(json.dumps(self.curves))

    @property
    def share(self) -> float:
        """Which part of the training is done, by steps or by time."""
        limit = self.settings.minutes
        return max(self.done / self.settings.steps, self.seconds / (60.0 * limit) if limit else 0.0)

    @property
    def finished(self) -> bool:
        """Whether all steps are done or the time is over."""
        return self.share >= 1.0

    def step(self, loss: Loss) -> None:
        """Train by one batch. A gradient that is not finite is left out: a field of view of air has no variance."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.settings.rate * _rate_share(self.done, self.share)
        self.model.train()
        with torch.autocast(self.settings.device, torch.bfloat16):
            value = loss(self.model, self.done)
        self.optimiser.zero_grad(set_to_none=True)
        value.backward()
        if torch.isfinite(nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_LIMIT)):
            self.optimiser.step()
            self.average.update_parameters(self.model)
            self.loss_sum, self.loss_count = self.loss_sum + float(value.detach()), self.loss_count + 1
        self.done += 1

    def validate(self, validate: Validate) -> Score:
        """Score the averaged model; append a point to the curves and return it."""
        self.average.eval()
        with torch.no_grad():
            scores = validate(self.average.module)
        self.curves.append({"step": self.done, "loss": self.loss_sum / max(self.loss_count, 1), **scores})
        self.loss_sum, self.loss_count = 0.0, 0
        return self.curves[-1]


def fit(model: nn.Module, loss: Loss, validate: Validate, work: Path, settings: TrainingSettings) -> nn.Module:
    """Train `model` and return the running average of its weights, in evaluation mode.

    Parameters
    ----------
    model
        What to train. It runs in bfloat16 where that helps (autocast); its weights stay float32.
    loss
        Loss of the model at a step. The batch must depend on the number of the step alone, so that a resumed run
        sees the same batches as an uninterrupted one.
    validate
        Scores of the averaged model. They go into ``curves.json`` together with the mean training loss.
    work
        Folder of the checkpoint and of the curves.
    settings
        See `TrainingSettings`.
    """
    work.mkdir(parents=True, exist_ok=True)
    state = TrainingState(model, work, settings)
    saved = time.monotonic()
    started = saved - state.seconds
    hide = None if settings.progress is None else not settings.progress
    with tqdm(total=settings.steps, initial=state.done, desc=work.name, disable=hide, mininterval=5.0) as bar:
        while not state.finished:
            state.step(loss)
            state.seconds = time.monotonic() - started
            bar.update()
            if state.done % settings.validate_every == 0 or state.finished:
                bar.write(json.dumps(state.validate(validate)))
                state.save()
            elif time.monotonic() - saved > CHECKPOINT_EVERY_S:
                state.save()
                saved = time.monotonic()
    state.average.eval()
    return state.average.module


def load_trained(model: nn.Module, path: Path) -> nn.Module:
    """Load the averaged weights of a finished run (`TRAINED`) into `model`; return it in evaluation mode.

    Raises
    ------
    RuntimeError
        The run is not finished.
    """
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["done"] < state["steps"]:
        raise RuntimeError(f"{path} is of step {state['done']} of {state['steps']}: let the training end first")
    model.load_state_dict(state["average"])
    return model.eval()


def _average(average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
    """Return the running average, over all steps at first, then over about 1 / (1 - `AVERAGE_DECAY`).

    The decay is that of TensorFlow's ExponentialMovingAverage: min(`AVERAGE_DECAY`, (1 + n) / (10 + n)).
    """
    return average + (now - average) * max(1.0 - AVERAGE_DECAY, 9.0 / (10.0 + float(count)))


def default_device() -> str:
    """Return ``cuda`` where torch has it, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def is_finished(path: Path) -> bool:
    """Whether there are the averaged weights of a finished run (`TRAINED`)."""
    if not path.exists():
        return False
    state = torch.load(path, weights_only=True, map_location="cpu")
    return bool(state["done"] >= state["steps"])


def _rate_share(step: int, share: float) -> float:
    """Return the share of the highest learning rate: a linear warm-up over steps, a cosine to 0 over the training."""
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    return float(warm * 0.5 * (1.0 + torch.cos(torch.tensor(torch.pi * share))))
