"""How a prediction compares with the finite-element solution on the same mesh (paper eqs. 10 and 12)."""

from __future__ import annotations

import numpy as np

from app.contract.report import Agreement
from models.types import Floats
from workers.fem.field import StressField
from workers.results.stressed_mesh import NodalArray


def agreement(points: Floats, predicted: StressField, solved: StressField) -> Agreement:
    """Compare the von Mises stress (n,), MPa, of a prediction and a solution on the mesh `points` (n, 3), mm."""
    prediction, solution = predicted.von_mises, solved.von_mises
    error = np.abs(prediction - solution)
    predicted_peak, solved_peak = int(prediction.argmax()), int(solution.argmax())
    return Agreement(
        mae_mpa=float(error.mean()),
        nmae_percent=float(100.0 * error.mean() / solution.max()),
        r2=float(1.0 - np.square(error).sum() / np.square(solution - solution.mean()).sum()),
        peak_error_percent=float(100.0 * (prediction[predicted_peak] / solution[solved_peak] - 1.0)),
        peak_distance_mm=float(np.linalg.norm(points[predicted_peak] - points[solved_peak])),
    )


def solution_arrays(predicted: StressField, solved: StressField) -> dict[str, NodalArray]:
    """Return the solution and the prediction's error as further nodal arrays of the VTK files, MPa and mm."""
    arrays = {"von_mises_fe": solved.von_mises, "von_mises_error": predicted.von_mises - solved.von_mises}
    arrays |= {f"s{i + 1}_fe": solved.principal[:, i] for i in range(3)}
    extra = {name: NodalArray(values, "MPa") for name, values in arrays.items()}
    return extra if solved.displacement is None else extra | {"displacement_fe": NodalArray(solved.displacement, "mm")}
