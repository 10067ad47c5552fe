"""``/v1/models``: the model bundles of this installation, from their manifests."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.auth import AUTH_ERRORS, ReadTenant
from app.api.problem_details import error_responses
from app.api.services import ServicesDep

log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelBundle(BaseModel):
    """A model bundle: the artifacts that a worker loads."""

    name: str = Field(description="Name of the bundle.", examples=["l1"])
    version: str | None = Field(description="Version of the bundle.")
    manifest: dict[str, Any] = Field(
        description="Manifest of the bundle: its artifacts, their SHA-256 and their origin."
    )


class ModelList(BaseModel):
    """The model bundles of this installation."""

    models: list[ModelBundle] = Field(description="The bundles; an empty list if none is installed.")


@router.get("", summary="List model bundles", responses=error_responses(*AUTH_ERRORS))
def list_models(services: ServicesDep, _tenant: ReadTenant) -> ModelList:
    """Return the manifest of every model bundle."""
    bundles = []
    for path in sorted(services.settings.models_dir.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            log.warning("cannot read the manifest %s", path)
            continue
        version = manifest.get("version")
        bundles.append(
            ModelBundle(name=path.parent.name, version=None if version is None else str(version), manifest=manifest)
        )
    return ModelList(models=bundles)
