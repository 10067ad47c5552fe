"""A regression forest as arrays: the trees, and which training targets each leaf averages.

The prediction of a forest is a weighted average of its training targets. So the arrays hold the members of each leaf
and their weights, and the targets once. That takes a few MB; one value a leaf and output would take hundreds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.types import Ints, Reals, Singles


@dataclass(frozen=True)
class Forest:
    """A random forest of t trees.

    Attributes
    ----------
    roots
        (t,) int32, node id of each tree's root.
    feature
        (n,) int16, feature tested at each node; -1 at a leaf.
    threshold
        (n,) float32; the left child takes values <= threshold.
    left
        (n,) int32, left child; at a leaf, the start of its members.
    right
        (n,) int32, right child; at a leaf, the end of its members.
    members
        (m,) int32 training-sample ids, leaf after leaf.
    weights
        (m,) float32; those of a leaf sum to 1.
    targets
        (k, q) float32 training targets.
    """

    roots: Ints
    feature: NDArray[np.int16]
    threshold: Singles
    left: Ints
    right: Ints
    members: Ints
    weights: Singles
    targets: Singles

    def predict(self, x: Reals) -> Singles:
        """Return the mean of the trees (q,) float32 for one input (p,)."""
        x = np.asarray(x, np.float32)  # scikit-learn compares in float32
        mixture = np.zeros(len(self.targets), np.float32)
        for root in self.roots:
            node = int(root)
            while self.feature[node] >= 0:
                go_left = x[self.feature[node]] <= self.threshold[node]
                node = int(self.left[node] if go_left else self.right[node])
            inside = slice(self.left[node], self.right[node])
            np.add.at(mixture, self.members[inside], self.weights[inside])
        return np.asarray((mixture / np.float32(len(self.roots))) @ self.targets, np.float32)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str) -> Forest:
        """Return the forest whose fields are stored as ``prefix + field``; targets may be stored in float16."""
        stored = {field.name: np.asarray(arrays[prefix + field.name]) for field in fields(cls)}
        stored["targets"] = stored["targets"].astype(np.float32)
        return cls(**stored)
