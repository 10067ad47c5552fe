"""The folder of the bundle that the commands read and write."""

from __future__ import annotations

import os
from pathlib import Path

from models.bundle import DEFAULT_BUNDLE


def bundle_folder() -> Path:
    """Return the bundle in ``$VERTEBRA_MODELS_DIR``, which a service reads too; without it that of the package."""
    models = os.environ.get("VERTEBRA_MODELS_DIR")
    return Path(models) / DEFAULT_BUNDLE.name if models else DEFAULT_BUNDLE
