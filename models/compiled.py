"""Kernels: functions that numba compiles, each with the types that the service calls it with.

The types are listed, so that a worker can compile everything before it takes a job, say how far it is, and share the
work among processes. A kernel that is called with other types compiles at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models import kernel_cache

kernel_cache.install()

import numba as nb  # noqa: E402 - the place of the compiled code is read when a kernel is made


@dataclass(frozen=True)
class Kernel:
    """A function that numba compiles.

    Attributes
    ----------
    dispatcher
        The function; calling it runs the code for the types of the arguments.
    signatures
        The types of the arguments, in numba's notation, e.g. ``(f8[:,::1], i4)``.
    """

    dispatcher: Any
    signatures: tuple[str, ...]

    @property
    def name(self) -> str:
        """Module and function."""
        function = self.dispatcher.py_func
        return f"{function.__module__}.{function.__qualname__}"


KERNELS: list[Kernel] = []
"""Every kernel of the modules that are loaded."""


def compiled(
    *signatures: str, parallel: bool = True, fastmath: bool = False, error_model: str = "python"
) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function with numba, and keep the compiled code for every later process.

    Parameters
    ----------
    signatures
        The types of the arguments in a job. A kernel that only other kernels call lists none.
    parallel
        Whether `numba.prange` runs on every core.
    fastmath
        Whether floating-point operations may be rearranged.
    error_model
        numba's: with "python" each division looks for a zero first, so a loop that divides does not run on vector
        registers; with "numpy" a division by zero gives infinity.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        # a kernel of one core leaves the interpreter to other threads; of those of all cores one runs at a time
        options = {"parallel": parallel, "nogil": not parallel, "fastmath": fastmath, "error_model": error_model}
        dispatcher = nb.njit(cache=True, **options)(function)
        KERNELS.append(Kernel(dispatcher, signatures))
        return dispatcher

    return decorate
