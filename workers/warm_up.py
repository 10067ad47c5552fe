"""Everything that a pool process does before it takes its first job, step by step."""

from __future__ import annotations

import logging

from numba.core import event

from app.jobs.worker_registry import LoadedBundle
from models.bundle import NETWORKS
from models.compiled import KERNELS
from workers.engine import Engine, engine
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.kernels import Report, compile_kernels

log = logging.getLogger(__name__)


def warm_up(report: Report) -> LoadedBundle:
    """Compile the kernels, load the bundle, and predict once, so that the first job finds everything ready.

    Raises
    ------
    models.bundle.BundleError
        There is no bundle, or it is damaged.
    models.bundle.DeviceError
        The networks do not run on the device of the settings.
    """
    compile_kernels(report)
    event.register("numba:compile", _LateCompilations())
    steps = {
        "reading the template": lambda e: e.template,
        "evaluating the shape model": lambda e: e.morpher,
        "planning the solver": lambda e: e.solver,
        "placing the samples of density": lambda e: e.bone_sampler,
        "loading the networks": _load_networks,
        "preparing the tangent surrogate": lambda e: e.tangent,
        "preparing the paper's surrogate": lambda e: e.paper,
        "preparing the refinement": lambda e: e.refined,
        "predicting the template's stress": _predict,
    }
    for done, (name, step) in enumerate(steps.items()):
        report(name, done, len(steps))
        step(engine())
    return LoadedBundle(engine().bundle.version, engine().bundle.providers)


def _load_networks(engine: Engine) -> None:
    if engine.bundle.has(*NETWORKS):
        _ = engine.finder


def _predict(engine: Engine) -> None:
    engine.predict(engine.template.nodes, REFERENCE_LOAD_NEWTON, "refined")


class _LateCompilations(event.Listener):
    """Logs a kernel that compiles after the others, because it is called with types that it does not list."""

    def on_start(self, event: event.Event) -> None:
        """Log the start of a compilation."""
        dispatcher = event.data["dispatcher"]
        if any(kernel.dispatcher is dispatcher for kernel in KERNELS):
            name, types = dispatcher.py_func.__qualname__, event.data.get("args")
            log.warning("%s compiles for types that it does not list: %s", name, types)

    def on_end(self, event: event.Event) -> None:
        """Do nothing."""
