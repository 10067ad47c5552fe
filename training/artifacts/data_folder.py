"""The folder of real CTs, masks and surfaces that training, the bench and the tests read."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Return ``$VERTEBRA_DATA``, or ``../shared/data`` beside the repository; it may not exist."""
    return Path(os.environ.get("VERTEBRA_DATA", Path(__file__).parents[3] / "shared" / "data"))
