"""Errors of the finite-element solver. The room knows no service; `workers.engine` tells the client."""

from __future__ import annotations


class SolverError(Exception):
    """The finite-element problem gives no usable solution.

    Parameters
    ----------
    detail
        What happened, for a person.
    expected, got
        The condition that was checked and the value that was found.
    """

    def __init__(self, detail: str, expected: str, got: str) -> None:
        super().__init__(detail, expected, got)
        self.detail, self.expected, self.got = detail, expected, got

    def __str__(self) -> str:
        return f"{self.detail} Expected {self.expected}, got {self.got}."


class DistortedMesh(SolverError):
    """A tetrahedron has no positive volume."""


class NotConverged(SolverError):
    """The linear solver did not reach its tolerance."""
