"""``/v1/models``: which model bundles this installation has (their manifests, read as plain JSON)."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.auth import TenantDep
from app.api.problem_details import documented
from app.api.services import ServicesDep
from app.contract.errors import Unauthorized

log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelBundle(BaseModel):
    """A model bundle."""

    name: str = Field(description="Name of the bundle.", examples=["l1"])
    version: str | None = Field(description="Version of the bundle.")
    manifest: dict[str, Any] = Field(
        description="The bundle's manifest: its files, their SHA-256 and where they came from."
    )


class ModelList(BaseModel):
    """The model bundles of this installation."""

    models: list[ModelBundle] = Field(description="The bundles; empty when none is installed.")


@router.get("", summary="List model bundles", responses=documented(Unauthorized))
def list_models(services: ServicesDep, _tenant: TenantDep) -> ModelList:
    """Return the manifest of every model bundle."""
    bundles = []
    for path in sorted(services.settings.models_dir.glob("*/manifest.json")):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            log.warning("unreadable manifest %s", path)
            continue
        version = manifest.get("version")
        bundles.append(
            ModelBundle(name=path.parent.name, version=None if version is None else str(version), manifest=manifest)
        )
    return ModelList(models=bundles)
