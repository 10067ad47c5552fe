"""Shape latent to stress latent: the paper's Bayesian-optimised random forest and its competitors (II.D.4, eq. 2).

Every mapping has `fit(x, y, people)` and `predict(x)`; cross-validation splits by person.
"""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from models.types import Reals

People = NDArray[np.str_]
FOLDS = 4
"""Of the cross-validation that chooses hyperparameters, by person (the paper's k = 4)."""
DEPTH_RANGE, LEAF_RANGE, FEATURE_SHARE_RANGE = (4, 16), (1, 10), (0.05, 0.7)
"""Where the Bayesian optimisation looks: depth of a tree, samples in a leaf, share of the features at a split."""
SEARCH_DIVISOR, LEAST_SEARCH_TREES = 4, 5
"""The search grows a quarter of the final trees, but at least five."""
RIDGE_ALPHAS = 10.0 ** np.arange(-1.0, 6.0)
"""Penalties to choose from, on standardised latents."""
GAUSSIAN_SAMPLES = 800
"""At most so many samples are fitted: the cost is cubic."""
MLP_WIDTHS = (256, 256)


class Mapping(Protocol):
    """Maps shape latents (k, p) to stress latents (k, q)."""

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Learn from pairs."""

    def predict(self, x: Reals) -> Reals:
        """Return the stress latents of `x`."""


def _folds(people: People) -> GroupKFold:
    return GroupKFold(min(FOLDS, len(np.unique(people))))


def cross_validated_error(make: Any, x: Reals, y: Reals, people: People) -> float:
    """Return eq. 2: the mean squared error over folds of unseen people; `make` returns a new, unfitted model."""
    errors = []
    for train, test in _folds(people).split(x, groups=people):
        model = make()
        model.fit(x[train], y[train])
        errors.append(float(np.square(model.predict(x[test]) - y[test]).mean()))
    return float(np.mean(errors))


class BayesForest:
    """Random forest whose hyperparameters a Bayesian optimiser chooses by 4-fold cross-validation (the paper's).

    Parameters
    ----------
    trials
        Hyperparameter vectors to try (tree-structured Parzen estimator; Bergstra et al., NeurIPS 2011).
    trees
        Of the final forest; the search uses a quarter of them.
    """

    def __init__(self, trials: int = 15, trees: int = 100) -> None:
        self.trials, self.trees = trials, trees
        self.best: dict[str, Any] = {}

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Search, then fit on everything."""
        variance = y.var(axis=0).sum()
        search_trees = max(self.trees // SEARCH_DIVISOR, LEAST_SEARCH_TREES)

        def make(parameters: dict[str, Any], trees: int) -> RandomForestRegressor:
            return RandomForestRegressor(trees, n_jobs=-1, random_state=0, **parameters)

        def objective(trial: optuna.Trial) -> float:
            parameters = {
                "max_depth": trial.suggest_int("max_depth", *DEPTH_RANGE),
                "min_samples_leaf": trial.suggest_int("min_samples_leaf", *LEAF_RANGE),
                "max_features": trial.suggest_float("max_features", *FEATURE_SHARE_RANGE, log=True),
            }
            error = cross_validated_error(lambda: make(parameters, search_trees), x, y, people)
            return error / float(variance)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(objective, n_trials=self.trials)
        self.best = study.best_params
        self.model = make(self.best, self.trees)
        self.model.fit(x, y)
        self.x, self.y = x, y

    def predict(self, x: Reals) -> Reals:
        """Return the mean over the trees."""
        out: Reals = self.model.predict(x)
        return out


class RidgeMapping:
    """Ridge regression on standardised latents; the penalty is chosen on unseen people."""

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Choose the penalty, then fit on everything."""
        self.scaler = StandardScaler().fit(x)
        z = self.scaler.transform(x)
        errors = [cross_validated_error(lambda a=alpha: Ridge(alpha=a), z, y, people) for alpha in RIDGE_ALPHAS]
        self.alpha = float(RIDGE_ALPHAS[int(np.argmin(errors))])
        self.model = Ridge(alpha=self.alpha).fit(z, y)

    def predict(self, x: Reals) -> Reals:
        """Return the linear prediction."""
        out: Reals = self.model.predict(self.scaler.transform(x))
        return out


class RidgeForest:
    """Ridge regression, and a forest on its residual (Zhang et al., "Regression-enhanced random forests", 2019)."""

    def __init__(self, trials: int = 8, trees: int = 100) -> None:
        self.ridge, self.forest = RidgeMapping(), BayesForest(trials, trees)

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Fit one after the other."""
        self.ridge.fit(x, y, people)
        self.forest.fit(x, y - self.ridge.predict(x), people)

    def predict(self, x: Reals) -> Reals:
        """Return the sum."""
        return self.ridge.predict(x) + self.forest.predict(x)


class GaussianProcess:
    """Gaussian process with one RBF kernel over the standardised latents' leading principal components."""

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Fit by marginal likelihood, on at most `GAUSSIAN_SAMPLES` samples."""
        chosen = np.random.default_rng(0).permutation(len(x))[:GAUSSIAN_SAMPLES]
        self.scaler = StandardScaler().fit(x)
        self.mean, self.size = y.mean(axis=0), y.std()
        kernel = ConstantKernel(1.0) * RBF(np.sqrt(x.shape[1]), (1.0, 1e3)) + WhiteKernel(0.1, (1e-4, 1e1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model = GaussianProcessRegressor(kernel, random_state=0).fit(
                self.scaler.transform(x[chosen]), (y[chosen] - self.mean) / self.size
            )

    def predict(self, x: Reals) -> Reals:
        """Return the posterior mean."""
        out: Reals = self.model.predict(self.scaler.transform(x)) * self.size + self.mean
        return out


class DirectMLP:
    """Multilayer perceptron from latent to latent, stopped early on held-out samples."""

    def fit(self, x: Reals, y: Reals, people: People) -> None:
        """Fit with Adam."""
        self.scaler, self.size = StandardScaler().fit(x), y.std()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model = MLPRegressor(
                hidden_layer_sizes=MLP_WIDTHS, alpha=1e-3, early_stopping=True, max_iter=300, random_state=0
            ).fit(self.scaler.transform(x), y / self.size)

    def predict(self, x: Reals) -> Reals:
        """Return the network's output."""
        out: Reals = self.model.predict(self.scaler.transform(x)) * self.size
        return out


MAPPINGS: dict[str, type[Mapping]] = {
    "forest": BayesForest,
    "ridge": RidgeMapping,
    "ridge + forest": RidgeForest,
    "gaussian process": GaussianProcess,
    "mlp": DirectMLP,
}
"""By name; ``forest`` is the paper's."""
