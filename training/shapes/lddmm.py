"""Large-deformation diffeomorphic geodesics from the template to a subject (paper section II.C, Deformetrica's method).

Geodesic shooting with control points (Durrleman et al., "Morphometry of anatomical shape complexes with dense
deformations and sparse parameters", NeuroImage 101, 2014): points q with momenta p follow Hamilton's equations of
H = 1/2 sum_ij p_i . p_j k(q_i, q_j), k Gaussian, and carry every other point along. Template and subject share their
nodes here, so the data term is the distance of corresponding nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.types import Floats, Singles
from workers.geometry.farthest_points import farthest_points

KERNEL_MM = 12.0
"""Standard deviation of the Gaussian kernel: about the size of a process."""
N_CONTROL, N_TARGET = 300, 3000
"""Control points, and nodes of the data term; both are spread over the surface."""
STEPS = 10
"""Heun steps from the template to the subject."""
DATA_WEIGHT, ENERGY_WEIGHT = 0.5, 1e-3
"""Weights of the mean squared distance, 1/mm^2, and of the deformation energy per control point."""


@dataclass(frozen=True)
class Geodesic:
    """A geodesic of deformations, by its start.

    Attributes
    ----------
    control, momenta
        (k, 3) float32, mm, at time 0.
    error_mm
        Mean distance at time 1 between the carried and the subject's nodes.
    """

    control: Singles
    momenta: Singles
    error_mm: float

    def carry(self, points: Floats, times: list[float]) -> list[Floats]:
        """Return `points` (n, 3) mm carried to each of the ascending `times` in (0, 1]."""
        q, p, x = (torch.from_numpy(np.asarray(a, np.float32)) for a in (self.control, self.momenta, points))
        out, now = [], 0.0
        with torch.no_grad():
            for time in times:
                steps = max(1, round(STEPS * (time - now)))
                for _ in range(steps):
                    q, p, x = _step(q, p, x, (time - now) / steps)
                now = time
                out.append(x.numpy().astype(np.float64))
        return out


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.exp(torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square() / (-2.0 * KERNEL_MM**2))


def _rate(q: torch.Tensor, p: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hamilton's equations: dq = K p, dp_i = sum_j p_i.p_j k_ij (q_i - q_j) / s^2, dx = k(x, q) p."""
    k = _kernel(q, q)
    pull = k * (p @ p.T) / KERNEL_MM**2
    return k @ p, q * pull.sum(1, keepdim=True) - pull @ q, _kernel(x, q) @ p


def _step(
    q: torch.Tensor, p: torch.Tensor, x: torch.Tensor, h: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One step of Heun's method."""
    dq, dp, dx = _rate(q, p, x)
    dq2, dp2, dx2 = _rate(q + h * dq, p + h * dp, x + h * dx)
    return q + 0.5 * h * (dq + dq2), p + 0.5 * h * (dp + dp2), x + 0.5 * h * (dx + dx2)


def shoot(template: Floats, subject: Floats, n_surface: int, iterations: int = 60) -> Geodesic:
    """Find the geodesic from `template` to `subject`, both (n, 3) mm in one frame, node i on node i.

    Parameters
    ----------
    template, subject
        Nodes, mm.
    n_surface
        Nodes of the surface, which come first; control points and data term live on them.
    iterations
        Of L-BFGS.
    """
    control = template[farthest_points(template[:n_surface], N_CONTROL)].astype(np.float32)
    chosen = farthest_points(template[:n_surface], N_TARGET)
    start = torch.from_numpy(template[chosen].astype(np.float32))
    goal = torch.from_numpy(subject[chosen].astype(np.float32))
    q0 = torch.from_numpy(control)
    k0 = _kernel(q0, q0)
    p0 = torch.zeros_like(q0, requires_grad=True)
    optimiser = torch.optim.LBFGS([p0], max_iter=iterations, history_size=10, line_search_fn="strong_wolfe")

    def carry_start() -> torch.Tensor:
        q, p, x = q0, p0, start
        for _ in range(STEPS):
            q, p, x = _step(q, p, x, 1.0 / STEPS)
        return x

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        energy = (p0 * (k0 @ p0)).sum() / len(q0)
        value = ENERGY_WEIGHT * energy + DATA_WEIGHT * (carry_start() - goal).square().sum(1).mean()
        value.backward()
        return value

    optimiser.step(loss)
    with torch.no_grad():
        error = float((carry_start() - goal).norm(dim=1).mean())
    return Geodesic(control, p0.detach().numpy(), error)
