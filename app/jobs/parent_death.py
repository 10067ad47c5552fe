"""A child process ends when its parent ends, even if somebody kills the parent without warning."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of ``prctl`` in ``<linux/prctl.h>``: the signal that a process gets when its parent ends."""


def die_with_parent(parent: int, signum: int = signal.SIGKILL) -> None:
    """Ask the kernel to signal this process when its parent ends. On systems other than Linux, do nothing.

    Parameters
    ----------
    parent
        Process id of the parent, from the parent itself. If that process has ended already, this one ends at once.
    signum
        Signal that this process receives.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
