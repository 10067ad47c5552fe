"""The training loop: killed and resumed it ends where an uninterrupted one does; what it returns is the average."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (make training)")

from torch import Tensor, nn  # noqa: E402

from training.segmentation.fitting import training_loop as module  # noqa: E402
from training.segmentation.fitting.training_loop import (  # noqa: E402
    AVERAGE_DECAY,
    WARM_UP_STEPS,
    Score,
    TrainingSettings,
    fit,
    load_trained,
)

STEPS = 24


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def batch(number: int) -> tuple[Tensor, Tensor]:
    """32 points of a plane; which ones depends on the number alone."""
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(number))
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3


def error(model: nn.Module, number: int) -> Tensor:
    x, y = batch(number)
    return (model(x).float() - y).square().mean()


def validate(model: nn.Module) -> Score:
    with torch.no_grad():
        return {"error": float(error(model, 9999)), "training": float(model.training)}


def run(work: Path, loss: Callable[[nn.Module, int], Tensor] = error, steps: int = STEPS, **settings) -> nn.Module:
    course = TrainingSettings(steps, **{"rate": 2e-3, "validate_every": 8, "progress": False, **settings})
    return fit(network(), loss, validate, work, course)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Killed(Exception):
    pass


def killed_at(number: int) -> Callable[[nn.Module, int], Tensor]:
    def loss(model: nn.Module, step: int) -> Tensor:
        if step == number:
            raise Killed
        return error(model, step)

    return loss


@pytest.mark.parametrize("kill", [(8,), (13,), (5,), (11, 17, 23)])
def test_a_killed_run_ends_with_the_same_weights(tmp_path, kill):
    whole = run(tmp_path / "whole")
    for at in kill:
        with pytest.raises(Killed):
            run(tmp_path / "killed", killed_at(at))
    steps: list[int] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        steps.append(step)
        return error(model, step)

    resumed = run(tmp_path / "killed", loss)
    assert same(weights(resumed), weights(whole))
    assert steps == list(range(kill[-1] // 8 * 8, STEPS))  # from the last checkpoint on, no step twice
    one, other = (json.loads((tmp_path / name / "curves.json").read_text()) for name in ("whole", "killed"))
    assert one == other


def test_checkpoints_are_kept_between_validations(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY_S", 0.0)
    with pytest.raises(Killed):
        run(tmp_path / "killed", killed_at(13))
    with pytest.raises(Killed):
        run(tmp_path / "killed", killed_at(13))  # at the first step after the checkpoint
    steps: list[int] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        steps.append(step)
        return error(model, step)

    assert same(weights(run(tmp_path / "killed", loss)), weights(run(tmp_path / "whole")))
    assert steps == list(range(13, STEPS))


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path, killed_at(0))
    assert same(weights(first), weights(again))
    assert not again.training


def test_an_unfinished_run_is_not_loaded(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, killed_at(13))
    with pytest.raises(RuntimeError, match="step 8 of 24"):
        load_trained(network(), tmp_path / "trained.pt")
    trained = run(tmp_path)
    assert same(weights(load_trained(network(), tmp_path / "trained.pt")), weights(trained))


def test_curves_are_written(tmp_path):
    run(tmp_path, steps=20)
    curves = json.loads((tmp_path / "curves.json").read_text())
    assert [row["step"] for row in curves] == [8, 16, 20]
    assert all(row.keys() == {"step", "loss", "error", "training"} for row in curves)
    assert curves[0]["loss"] > curves[2]["loss"] > 0.0
    assert {row["training"] for row in curves} == {0.0}  # validated in evaluation mode
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "curves.json", "trained.pt"]


def test_it_learns(tmp_path):
    before = validate(network().eval())["error"]
    assert validate(run(tmp_path, steps=300, rate=2e-2))["error"] < 0.05 * before


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_step_without_a_finite_gradient_leaves_the_weights_alone(tmp_path, bad):
    history: list[dict[str, Tensor]] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        history.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return error(model, step) * (bad if step in (3, 4) else 1.0)

    trained = run(tmp_path, loss)
    assert same(history[3], history[4])
    assert same(history[4], history[5])
    assert not same(history[2], history[3])
    assert not same(history[5], history[6])
    assert all(torch.isfinite(p).all() for p in trained.parameters())
    first = json.loads((tmp_path / "curves.json").read_text())[0]
    assert 0.0 < first["loss"] < 100.0  # of the steps that counted


def test_the_average_of_the_weights_is_returned_and_kept(tmp_path):
    history: list[Tensor] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        history.append(model[3].weight.detach().clone())
        return error(model, step)

    model = network()
    settings = TrainingSettings(STEPS, 2e-3, validate_every=8, progress=False)
    trained = fit(model, loss, validate, tmp_path, settings)
    history.append(model[3].weight.detach().clone())
    average = history[1]
    for count, now in enumerate(history[2:], start=1):
        average = average + (now - average) * max(1.0 - AVERAGE_DECAY, 9.0 / (10.0 + count))
    torch.testing.assert_close(trained[3].weight, average, rtol=1e-5, atol=1e-7)
    assert float((trained[3].weight - model[3].weight).detach().abs().max()) > 1e-5  # not simply the last
    loaded = load_trained(network().train(), tmp_path / "trained.pt")
    assert same(weights(loaded), weights(trained))
    assert not loaded.training
    assert not trained.training


def test_a_run_starts_from_anothers_average(tmp_path):
    base = run(tmp_path / "base")
    history: list[dict[str, Tensor]] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        history.append(weights(model))
        return error(model, step)

    run(tmp_path / "later", loss, steps=8, start=tmp_path / "base" / "trained.pt")
    assert all(torch.equal(history[0][name], value) for name, value in base.named_parameters())
    once = run(tmp_path / "later", loss, steps=8, start=tmp_path / "missing.pt")  # it has its own checkpoint now
    assert len(history) == 8
    assert not once.training


def test_the_rate_warms_up_and_falls_to_nothing(tmp_path):
    """AdamW's first step moves every weight by the rate, whatever the gradient."""
    history: list[Tensor] = []

    def loss(model: nn.Module, step: int) -> Tensor:
        history.append(model[0].weight.detach().clone())
        return error(model, step)

    model = network()
    settings = TrainingSettings(2 * WARM_UP_STEPS, 1e-2, validate_every=1000, progress=False)
    fit(model, loss, validate, tmp_path, settings)
    history.append(model[0].weight.detach().clone())
    moved = [float((b - a).abs().max()) for a, b in pairwise(history)]
    assert moved[0] == pytest.approx(1e-2 / WARM_UP_STEPS, rel=0.02)
    assert 3e-3 < max(moved) < 8e-3
    assert moved[-1] < 1e-5
