"""``python -m workers.device``: end with status 1 if a network does not run on the device of the settings."""

from __future__ import annotations

import sys

from app.jobs.settings import Settings
from models.bundle import DEFAULT_BUNDLE, LANDMARKS, Bundle, DeviceError


def main() -> int:
    """Open the smallest network; return the exit status."""
    settings = Settings()
    bundle = Bundle(settings.models_dir / DEFAULT_BUNDLE.name, settings.device)
    try:
        if bundle.has(LANDMARKS):
            bundle.session(LANDMARKS)
    except DeviceError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the caller shows it
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
