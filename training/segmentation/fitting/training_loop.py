"""A training loop that may be killed at any point and goes on from its last checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

KEEP_EVERY_S = 60.0
AVERAGE = 0.998
WARM_UP = 100

Score = dict[str, float]


def fit(
    model: nn.Module,
    loss: Callable[[nn.Module, int], Tensor],
    validate: Callable[[nn.Module], Score],
    steps: int,
    work: Path,
    *,
    rate: float = 2e-3,
    validate_every: int = 500,
    start: Path | None = None,
    progress: bool | None = None,
) -> nn.Module:
    """Train `model` for `steps` and return the running average of its weights, in evaluation mode.

    Parameters
    ----------
    model
        What to train; in bfloat16 where that helps (autocast), its weights stay float32.
    loss
        From the model and the number of the step; the batch must depend on that number alone, so that a resumed run
        sees what an uninterrupted one would.
    validate
        Scores of the averaged model, kept with the mean training loss in ``curves.json``.
    steps
        In total, over all runs.
    work
        Folder of the checkpoint and the curves.
    rate
        Highest learning rate of AdamW; it falls to 0 along a cosine.
    validate_every
        Steps between two validations.
    start
        Checkpoint of another run to take the weights from, where this one has none yet.
    progress
        Shows the bar (None: where the output is a terminal).
    """
    work.mkdir(parents=True, exist_ok=True)
    path, curves_path = work / "checkpoint.pt", work / "curves.json"
    average = AveragedModel(model, avg_fn=_average, use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    done, curves, running = 0, [], [0.0, 0]
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        done, curves, running = state["done"], state["curves"], state["running"]
    elif start is not None:
        load(model, start)
        load(average.module, start)

    def keep() -> None:
        aside = path.with_suffix(".part")
        state = {"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save({**state, "done": done, "steps": steps, "curves": curves, "running": running}, aside)
        aside.rename(path)
        curves_path.write_text(json.dumps(curves))

    kept = time.monotonic()
    hide = None if progress is None else not progress
    with tqdm(total=steps, initial=done, desc=work.name, disable=hide, mininterval=5.0) as bar:
        while done < steps:
            for group in optimiser.param_groups:
                group["lr"] = rate * _schedule(done, steps)
            model.train()
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(model, done)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            if torch.isfinite(nn.utils.clip_grad_norm_(model.parameters(), 5.0)):  # an empty volume has no variance
                optimiser.step()
                average.update_parameters(model)
                running = [running[0] + float(value.detach()), running[1] + 1]
            done += 1
            bar.update()
            if done % validate_every == 0 or done == steps:
                average.eval()
                with torch.no_grad():
                    scores = validate(average.module)
                curves.append({"step": done, "loss": running[0] / max(running[1], 1), **scores})
                bar.write(json.dumps(curves[-1]))
                running = [0.0, 0]
                keep()
            elif time.monotonic() - kept > KEEP_EVERY_S:
                keep()
                kept = time.monotonic()
    average.eval()
    return average.module


def load(model: nn.Module, path: Path) -> nn.Module:
    """Put the averaged weights of a finished run's checkpoint into `model`; return it in evaluation mode.

    Raises
    ------
    RuntimeError
        The run is not finished.
    """
    state = torch.load(path, weights_only=True)
    if state["done"] < state["steps"]:
        raise RuntimeError(f"{path} is of step {state['done']} of {state['steps']}: let the training end first")
    average = state["average"]
    model.load_state_dict({k.removeprefix("module."): v for k, v in average.items() if k.startswith("module.")})
    return model.eval()


def _average(average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
    """Return the running average: over all steps at first, then over about 1 / (1 - `AVERAGE`)."""
    return average + (now - average) * max(1.0 - AVERAGE, 9.0 / (10.0 + float(count)))


def _schedule(step: int, steps: int) -> float:
    """Return the share of the learning rate: a linear warm-up, then a cosine to 0."""
    warm = min(1.0, (step + 1) / WARM_UP)
    return float(warm * 0.5 * (1.0 + torch.cos(torch.tensor(torch.pi * step / steps))))
