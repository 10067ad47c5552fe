"""The bundle's calibration: the paper's surrogate copied into it, and the expected error of both surrogates fitted."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from models.bundle import Bundle
from training.artifacts.bundle_writer import write_manifest
from training.surrogates.calibration.error_law import (
    MeasuredErrors,
    Predict,
    fit_calibration,
    log_ratio_sd,
    measure_errors,
)
from training.surrogates.paper.export_artifacts import copy_to_bundle
from training.surrogates.paper.held_out import load_fold
from training.surrogates.simulation.samples import Sample, read_samples
from workers.engine import Engine
from workers.fem.field import StressField
from workers.fem.loads import REFERENCE_LOAD_NEWTON
from workers.surrogate.expected_error import Calibration


def calibrate_bundle(out: Path, work: Path, profile: str, count: int) -> None:
    """Copy the paper's surrogate into the bundle and fit the expected error of both surrogates; print how well it fits.

    Parameters
    ----------
    out
        Folder of the bundle.
    work
        Folder with samples and networks.
    profile
        Name of the profile of the paper's networks.
    count
        Number of simulated shapes to fit to.
    """
    networks = work / f"networks-{profile}"
    copy_to_bundle(networks, profile, out)
    engine = Engine(Bundle(out))
    calibrations = {}
    for surrogate, predict in _predictors(engine, networks).items():
        simulated = measure_errors(engine, itertools.islice(read_samples(work / "samples"), count), predict)
        calibration = fit_calibration(simulated)
        calibrations[surrogate] = asdict(calibration)
        real = measure_errors(engine, read_samples(work / "real"), predict)
        print(f"{surrogate}: {calibrations[surrogate]}")
        _print_fit(calibration, simulated, real)
    write_manifest(out, calibration=calibrations)


def _predictors(engine: Engine, networks: Path) -> dict[str, Predict]:
    """Return both surrogates; the paper's is the one that has not seen the sample's person."""
    manifests = sorted(networks.glob("fold*/bundle/manifest.json"))
    folds = [load_fold(path.parents[1], engine.template, competitors=False) for path in manifests]

    def predict_tangent(sample: Sample) -> StressField:
        return engine.tangent.predict(sample.points.astype(np.float64), REFERENCE_LOAD_NEWTON)

    def predict_paper(sample: Sample) -> StressField:
        fold = next(fold for fold in folds if sample.person in fold.held_out)
        return fold.surrogate.predict(sample.points.astype(np.float64), REFERENCE_LOAD_NEWTON)

    return {"tangent": predict_tangent, "paper": predict_paper}


def _print_fit(calibration: Calibration, simulated: MeasuredErrors, real: MeasuredErrors) -> None:
    """Print how far the expected error is off, and how well each known follows the error on real vertebrae."""
    knowns = {"residual": real.residual, "deviation": real.deviation}
    ranks = {name: spearmanr(known, real.nmae)[0] for name, known in knowns.items() if np.ptp(known) > 0.0}
    sd_simulated, sd_real = (log_ratio_sd(errors, calibration) for errors in (simulated, real))
    print(f"  standard deviation of log(error / expected): simulated {sd_simulated:.2f}, real {sd_real:.2f}; ", end="")
    print("rank correlation with the error on real vertebrae: ", end="")
    print(", ".join(f"{name} {value:.2f}" for name, value in ranks.items()))
