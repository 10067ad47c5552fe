"""The page ``/docs``: the API description for people, drawn by Swagger UI, whose files the gateway serves itself."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from app.contract.errors import NotFound
from app.pages.render import render

router = APIRouter(include_in_schema=False)

ASSETS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
"""The files of Swagger UI (Apache-2.0) that the page loads, with their media types."""

ASSETS_PACKAGE = "fastapi_swagger"
"""The package of the registry that brings them."""

KEPT_FOR_S = 3600
"""How long a browser keeps a file of Swagger UI, seconds; afterwards it asks whether there is another one."""


@router.get("/docs")
async def api_description(request: Request) -> Response:
    """Return the page. It is public, as the description that it shows."""
    return render(request, "api_description.html", {})


@router.get("/docs/{file}")
async def asset(file: str) -> Response:
    """Return a file of Swagger UI."""
    if file not in ASSETS:
        raise NotFound("The page of the API description has no such file.", got=file)
    path = Path(str(files(ASSETS_PACKAGE) / "resources" / file))
    return FileResponse(path, media_type=ASSETS[file], headers={"Cache-Control": f"public, max-age={KEPT_FOR_S}"})
