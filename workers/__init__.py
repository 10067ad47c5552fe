"""The online side: Celery workers, the pipeline and its stages.

Threads: the kernels here run on numba's OpenMP threads; BLAS gets one thread and OpenMP threads sleep while they wait.
Two pools that spin against each other on two cores made a job four times slower: 22 s instead of 5 s, beside one busy
process. Both settings are read when NumPy and numba are first loaded, so they are set before either.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
