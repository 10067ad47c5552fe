"""Where several processes run the tests, each of them, and what it starts, computes on its share of the cores.

This is read when NumPy and numba are first loaded, so it is set before either.
"""

import os

PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

if PROCESSES > 1:
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // PROCESSES)))
